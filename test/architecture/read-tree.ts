/** Reads this checkout for the architecture test: sources, package.json and the lockfile. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Tree } from './check-tree.ts'

export const root = join(import.meta.dirname, '..', '..')

export interface PackageJson {
  readonly dependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly link?: boolean }>>
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

export const readPackageJson = (): PackageJson => JSON.parse(readText('package.json')) as PackageJson
export const readLockfile = (): Lockfile => JSON.parse(readText('package-lock.json')) as Lockfile

export function readTree(): Tree {
  const paths = globSync(['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts', 'scripts/*.ts'], { cwd: root })
  const { dependencies, optionalDependencies, devDependencies } = readPackageJson()
  const other = globSync(['package.json', 'bin/*.js', 'scripts/*.js', 'test/vectors/**/*'], { cwd: root })
  return {
    files: new Map(paths.toSorted().map((path) => [path.replaceAll('\\', '/'), readText(path)])),
    runtimePackages: new Set([...Object.keys(dependencies), ...Object.keys(optionalDependencies)]),
    devPackages: new Set(Object.keys(devDependencies)),
    otherFiles: new Set(other.map((path) => path.replaceAll('\\', '/'))),
  }
}

/** What is wrong with how packages are named: versions must be exact, the lockfile must not say where it was filled from. */
export function checkPackages(manifest: PackageJson, lockfile: Lockfile, decisions: string): readonly string[] {
  const { dependencies, optionalDependencies, devDependencies } = manifest
  const wrong: string[] = []
  for (const [name, version] of Object.entries({ ...dependencies, ...optionalDependencies, ...devDependencies })) {
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) wrong.push(`${name}: ${version} is not an exact version`)
  }
  for (const [path, entry] of Object.entries(lockfile.packages)) {
    if (entry.resolved !== undefined && !entry.link) wrong.push(`package-lock.json: ${path} has a resolved address`)
    if (entry.resolved?.includes('://')) wrong.push(`package-lock.json: ${path} points at an address`)
  }
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    if (!decisions.includes(`\`${name}\``)) wrong.push(`${name}: docs/decisions/ does not say why it is needed`)
  }
  return wrong
}
