/** Branded ids and units: values of one kind cannot be passed where another is meant. */

declare const brand: unique symbol

/** A `T` that only the functions of its own concept may make. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type UnixMs = Brand<number, 'UnixMs'>
/** Milliseconds of a monotonic clock; only differences mean something. */
export type MonotonicMs = Brand<number, 'MonotonicMs'>

/** One request's id, `req_` and 24 characters of base 32 (time first, so that ids sort by age). */
export type RequestId = Brand<string, 'RequestId'>
/** A node's id; the libp2p id of its device key once it has one. */
export type NodeId = Brand<string, 'NodeId'>
/** The name under which one runtime of a node is configured, e.g. `llama` or `openai:http://127.0.0.1:8000`. */
export type RuntimeId = Brand<string, 'RuntimeId'>
/** An API key's public id, `key_` and 12 characters; never the secret. */
export type KeyId = Brand<string, 'KeyId'>

/** An account's id: SHA-256 of its first public key, 64 lower-case hex digits. */
export type AccountId = Brand<string, 'AccountId'>
/** A network's id: SHA-256 of its genesis document, 64 lower-case hex digits. */
export type NetworkId = Brand<string, 'NetworkId'>

export const asUnixMs = (value: number): UnixMs => value as UnixMs
export const asMonotonicMs = (value: number): MonotonicMs => value as MonotonicMs
export const asRequestId = (text: string): RequestId => text as RequestId
export const asNodeId = (text: string): NodeId => text as NodeId
export const asRuntimeId = (text: string): RuntimeId => text as RuntimeId
export const asKeyId = (text: string): KeyId => text as KeyId

/** Marks the end of an exhaustive switch: a new case fails to compile here. */
export function unreachable(value: never): never {
  throw new Error(`unreachable case: ${JSON.stringify(value)}`)
}
