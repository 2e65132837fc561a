/** What one account has said of its keys and devices. Grows only, and comes out the same in whatever order statements arrive. */
import { type AccountId, type NodeId, unreachable } from '../ids.ts'
import { limit } from '../limits.ts'
import { accountIdOf } from './account-id.ts'
import { type AccountRotation, readAccountRotation } from './account-rotation.ts'
import { hexOf } from './bytes.ts'
import { type DeviceRotation, readDeviceRotation } from './device-rotation.ts'
import type { PublicKey } from './ed25519-rules.ts'
import { publicKeyOf } from './peer-id.ts'
import { type Checked, malformed, ok } from './refusal.ts'
import { ALL_SERIALS, type Revocation, readRevocation } from './revocation.ts'
import { hasSignatures, type SignatureScheme, type SignedValue, signedIdOf } from './signed-value.ts'

export const STATEMENT_KINDS = ['account-rotation', 'revocation', 'device-rotation'] as const
export type StatementKind = (typeof STATEMENT_KINDS)[number]

/** A statement as it came, with what it says. */
export interface Statement<Body> {
  /** SHA-256 of what is signed, in hexadecimal. */
  readonly id: string
  readonly signed: SignedValue<StatementKind>
  readonly body: Body
}

export type RotationStatement = Statement<AccountRotation>
/** The end of a device: revoked, or followed by another. */
export type EndStatement = Statement<
  ({ readonly kind: 'revocation' } & Revocation) | ({ readonly kind: 'device-rotation' } & DeviceRotation)
>
export type AnyStatement =
  | { readonly kind: 'account-rotation'; readonly rotation: RotationStatement }
  | { readonly kind: 'end'; readonly end: EndStatement }

export interface AccountHistory {
  readonly account: AccountId
  /** Changes of the account's key, the first first. */
  readonly rotations: readonly RotationStatement[]
  /** Two rotations of the number that follows `rotations`, by id. From then on no key of the account is believed. */
  readonly fork: readonly RotationStatement[]
  readonly ends: ReadonlyMap<NodeId, EndStatement>
}

export function emptyHistory(account: AccountId): AccountHistory {
  return { account, rotations: [], fork: [], ends: new Map() }
}

/** Reads the statement in a signed value; its signatures are not checked yet. */
export function readStatement(
  scheme: Pick<SignatureScheme, 'sha256'>,
  signed: SignedValue<StatementKind>,
): Checked<AnyStatement> {
  const id = hexOf(signedIdOf(scheme, signed))
  const { kind } = signed
  switch (kind) {
    case 'account-rotation': {
      const read = readAccountRotation({ ...signed, kind })
      if (read.kind !== 'ok') return read
      return ok({ kind, rotation: { id, signed, body: read.value } })
    }
    case 'revocation': {
      const read = readRevocation({ ...signed, kind })
      if (read.kind !== 'ok') return read
      return ok({ kind: 'end', end: { id, signed, body: { kind, ...read.value } } })
    }
    case 'device-rotation': {
      const read = readDeviceRotation({ ...signed, kind })
      if (read.kind !== 'ok') return read
      return ok({ kind: 'end', end: { id, signed, body: { kind, ...read.value } } })
    }
    default:
      return unreachable(kind)
  }
}

export function accountOfStatement(statement: AnyStatement): AccountId {
  return statement.kind === 'end' ? statement.end.body.account : statement.rotation.body.account
}

/** The history with `statement` in it: the same object where it says nothing new; a refusal where it does not hold. */
export function withStatement(
  scheme: SignatureScheme,
  history: AccountHistory,
  statement: AnyStatement,
): Checked<AccountHistory> {
  return statement.kind === 'end'
    ? withEnd(scheme, history, statement.end)
    : withRotation(scheme, history, statement.rotation)
}

function withRotation(
  scheme: SignatureScheme,
  history: AccountHistory,
  rotation: RotationStatement,
): Checked<AccountHistory> {
  const { number, oldKey, newKey } = rotation.body
  if (number > limit('accountRotations')) return { kind: 'full', what: 'rotations' }
  const held = history.rotations[number - 1]
  if (held?.id === rotation.id || history.fork.some(({ id }) => id === rotation.id)) return ok(history)
  const forkNumber = history.rotations.length + 1
  if (number > forkNumber) return { kind: history.fork.length > 0 ? 'forked' : 'unknown_account_key' }
  if (!isKeyBefore(scheme, history, oldKey, number)) return { kind: 'unknown_account_key' }
  const earlier = [oldKey, ...history.rotations.slice(0, number - 1).map(({ body }) => body.oldKey)]
  if (earlier.some((key) => hexOf(key) === hexOf(newKey))) return malformed('the new key was the account’s before')
  if (!hasSignatures(scheme, rotation.signed, [oldKey, newKey])) return { kind: 'bad_signature' }
  if (held === undefined && history.fork.length === 0) {
    return ok({ ...history, rotations: [...history.rotations, rotation] })
  }
  const rivals = held === undefined ? history.fork : [held]
  // Of more than two the two lowest ids are kept, so that all nodes keep the same.
  const fork = [...rivals, rotation].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, 2)
  if (fork.every((each, index) => each === history.fork[index])) return ok(history)
  return ok({ ...history, rotations: history.rotations.slice(0, number - 1), fork, ends: new Map() })
}

function withEnd(scheme: SignatureScheme, history: AccountHistory, end: EndStatement): Checked<AccountHistory> {
  if (history.fork.length > 0) return { kind: 'forked' }
  const { body } = end
  const held = history.ends.get(body.device)
  if (held !== undefined && !isStronger(end, held)) return ok(history)
  if (held === undefined && history.ends.size >= limit('revocationsPerAccount')) {
    return { kind: 'full', what: 'revocations' }
  }
  // Revocations of replaced keys stay true: a device that was lost is not found by a new account key.
  if (!isKnownKey(scheme, history, body.accountKey)) return { kind: 'unknown_account_key' }
  const keys =
    body.kind === 'revocation'
      ? [body.accountKey]
      : [publicKeyOf(body.device), publicKeyOf(body.newDevice), body.accountKey]
  if (!hasSignatures(scheme, end.signed, keys)) return { kind: 'bad_signature' }
  return ok({ ...history, ends: new Map([...history.ends, [body.device, end]]) })
}

/** The last serial of the device that counts no more. */
export function endedThrough({ body }: EndStatement): number {
  return body.kind === 'device-rotation' ? ALL_SERIALS : body.throughSerial
}

function isStronger(end: EndStatement, held: EndStatement): boolean {
  const difference = endedThrough(end) - endedThrough(held)
  return difference === 0 ? end.id > held.id : difference > 0
}

/** Whether `key` was the account's key when its rotation `number` was due. */
function isKeyBefore(
  scheme: Pick<SignatureScheme, 'sha256'>,
  { account, rotations }: AccountHistory,
  key: PublicKey,
  number: number,
): boolean {
  if (number === 1) return accountIdOf(scheme, key) === account
  const previous = rotations[number - 2]
  return previous !== undefined && hexOf(previous.body.newKey) === hexOf(key)
}

function isKnownKey(
  scheme: Pick<SignatureScheme, 'sha256'>,
  { account, rotations }: AccountHistory,
  key: PublicKey,
): boolean {
  const name = hexOf(key)
  return rotations.some(({ body }) => hexOf(body.newKey) === name) || accountIdOf(scheme, key) === account
}

/** Whether `key` is the account's key now, was it before, or is not known to be its. */
export function standingOfKey(
  scheme: Pick<SignatureScheme, 'sha256'>,
  history: AccountHistory,
  key: PublicKey,
): 'current' | 'superseded' | 'unknown' | 'forked' {
  if (history.fork.length > 0) return 'forked'
  if (!isKnownKey(scheme, history, key)) return 'unknown'
  const last = history.rotations.at(-1)
  return last === undefined || hexOf(last.body.newKey) === hexOf(key) ? 'current' : 'superseded'
}

/** All statements of a history, in an order in which each can be checked when it comes. */
export function statementsIn({ rotations, fork, ends }: AccountHistory): readonly SignedValue<StatementKind>[] {
  return [...rotations, ...fork, ...ends.values()].map(({ signed }) => signed)
}
