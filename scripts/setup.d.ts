/** The types of setup.js. */

export declare const root: string
/** Arguments for Node with which our own processes are started. */
export declare const NODE_FLAGS: readonly string[]
/** Variables with which they are started, unless the environment has them already. */
export declare const NODE_ENVIRONMENT: Readonly<Record<string, string>>
export declare function nodeBinary(): string
export declare function setup(): void
