/** The package.json of the published package, made from the checkout's. */

export interface PackageManifest {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
  readonly type: string
  readonly bin: Readonly<Record<string, string>>
  readonly engines: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

/** The engine; 725 MB with everything it may bring, so a published install has it only when somebody asks (docs/decisions/0007). */
const ENGINE = 'node-llama-cpp'

/** Only what an install needs: no scripts, no tools, no Node binaries, and the engine as an optional peer. */
export function publishedManifest(manifest: PackageManifest) {
  const { name, version, description, license, type, bin, engines, dependencies, optionalDependencies } = manifest
  const engineVersion = optionalDependencies[ENGINE]
  if (engineVersion === undefined) throw new Error(`package.json does not name ${ENGINE}`)
  return {
    name,
    version,
    description,
    license,
    type,
    bin,
    files: ['bin/', 'dist/', 'models/', 'docs/', 'CHANGELOG.md', 'SECURITY.md'],
    engines,
    dependencies,
    peerDependencies: { [ENGINE]: engineVersion },
    peerDependenciesMeta: { [ENGINE]: { optional: true } },
  }
}
