/** The replicated table of nodes as one node sees it: what may come in, what replaces what, and when silence ends a lease. */

import type { Ok } from '../identity/refusal.ts'
import type { SignatureScheme } from '../identity/signed-value.ts'
import type { MonotonicMs, NetworkId, NodeId, UnixMs } from '../ids.ts'
import { asMonotonicMs, asUnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import { checkProof, encodeProof } from './equivocation.ts'
import { clampLease, recordAgeMs } from './lease.ts'
import { parseLoadBeat, type SignedBeat, verifyBeat } from './load-beat.ts'
import { mergeSlots, positionOf, recordsOf, type Slot } from './merge.ts'
import { comparePositions, isFarewell, type NodeRecord, type ServiceLoad, type SignedRecord } from './node-record.ts'
import { type Arrival, isLeaseOver, type Outcome, refusalByClock, refused, silenceMs } from './outcome.ts'
import { defaultQuotas, type QuotaLimits } from './quotas.ts'
import { parseNodeRecord, type UnverifiedRecord, verifyRecord } from './record-codec.ts'
import type { RecordRefusal } from './record-refusal.ts'
import { type GoneNode, RegistryTable, type RememberedNode } from './registry-table.ts'
import { isSignOfLife, lastWordOf } from './sign-of-life.ts'
import { VerifiedSignatures } from './verified-signatures.ts'

export interface RegistryDeps {
  readonly scheme: SignatureScheme
  readonly network: NetworkId
  readonly self: NodeId
  /** Why the certificate, a revocation or the network's policy speaks against a record, for people; undefined where nothing does. */
  readonly objectionTo: (record: NodeRecord, now: UnixMs) => string | undefined
  readonly quotas?: QuotaLimits
  readonly readers?: RegistryReaders
}

/** How bytes become values. Simulations of many nodes in one process read each message once for all of them. */
export interface RegistryReaders {
  readonly record: typeof parseNodeRecord
  readonly beat: typeof parseLoadBeat
}

const READERS: RegistryReaders = { record: parseNodeRecord, beat: parseLoadBeat }

const DUPLICATE: Outcome = { kind: 'duplicate' }

export class Registry {
  readonly table: RegistryTable
  readonly self: NodeId
  readonly #deps: RegistryDeps
  readonly #read: RegistryReaders
  readonly #verified = new VerifiedSignatures(limit('verifiedItems'))
  #sweptAt: MonotonicMs | undefined

  constructor(deps: RegistryDeps) {
    this.#deps = deps
    this.#read = deps.readers ?? READERS
    this.self = deps.self
    this.table = new RegistryTable(deps.quotas ?? defaultQuotas())
  }

  /** Lists our own record, which no silence ends. */
  putOwn(signed: SignedRecord, at: MonotonicMs): void {
    const loads = signed.record.services.map(({ load }) => load)
    const leaseEndsAt = asMonotonicMs(Number.POSITIVE_INFINITY)
    this.table.put({ signed, record: signed.record, status: 'live', loads, beat: undefined, heardAt: at, leaseEndsAt })
  }

  /** Our own loads changed. */
  putOwnBeat(beat: SignedBeat, at: MonotonicMs): void {
    const entry = this.table.get(this.#deps.self)
    if (entry !== undefined) this.table.put({ ...entry, beat, loads: beat.beat.loads, heardAt: at })
  }

  receiveRecord(bytes: Uint8Array, arrival: Arrival): Outcome {
    const { scheme, self } = this.#deps
    const parsed = this.#read.record(scheme, bytes, { peerOf: (key) => this.table.peerOf(key) })
    if (parsed.kind !== 'ok') return refused(parsed)
    const { record } = parsed.value
    const refusal = this.#refusalByNetwork(record.network) ?? refusalByClock(record.signedAt, recordAgeMs(), arrival)
    if (refusal !== undefined) return refused(refusal)
    const slot = this.table.slotOf(record.peer)
    const order = slot === undefined ? 1 : comparePositions(record, positionOf(slot))
    if (order < 0) return { kind: 'older', peer: record.peer }
    if (order === 0 && slot !== undefined && recordsOf(slot).some(({ id }) => id === parsed.value.id)) {
      return this.#confirm(record.peer, arrival)
    }
    // Of a node that is gone here too, the newest record matters nevertheless: it ends an older proof.
    const isOver = isLeaseOver(record, arrival) && slot !== undefined && this.table.get(record.peer) === undefined
    const isNewcomer = order !== 0 && record.peer !== self && !isOver
    const objection = isNewcomer ? this.#admissionRefusal(record, arrival) : undefined
    if (objection !== undefined) return refused(objection)
    const signed = this.#verify(parsed.value)
    if (signed === undefined) return refused({ kind: 'bad_signature' })
    if (record.peer === self) return { kind: 'own', position: { incarnation: record.incarnation, seq: record.seq } }
    const fresh: Slot = { kind: 'record', newest: signed }
    if (isOver && order > 0) {
      this.#remove(record.peer, fresh, 'expired')
      return { kind: 'left', peer: record.peer }
    }
    return this.#take(record.peer, slot === undefined ? fresh : mergeSlots(slot, fresh), arrival)
  }

  receiveBeat(bytes: Uint8Array, arrival: Arrival): Outcome {
    const parsed = this.#read.beat(bytes)
    if (parsed.kind !== 'ok') return refused(parsed)
    const { beat } = parsed.value
    const peer = this.table.peerOf(beat.publicKey)
    const refusal =
      this.#refusalByNetwork(beat.network) ??
      refusalByClock(beat.sentAt, limit('leaseMaxMs') + limit('clockToleranceMs'), arrival)
    if (refusal !== undefined) return refused(refusal)
    const entry = this.table.get(peer)
    const gone = this.table.gone(peer)
    const newest = entry?.signed ?? (gone?.cause === 'expired' ? recordsOf(gone.slot)[0] : undefined)
    if (newest === undefined) return gone === undefined ? { kind: 'unknown', peer } : { kind: 'older', peer }
    const { incarnation, seq } = newest.record
    if (beat.incarnation < incarnation) return { kind: 'older', peer }
    if (beat.incarnation > incarnation) return { kind: 'unknown', peer }
    const heardNumber = entry === undefined ? gone?.beatNumber : entry.beat?.beat.number
    if (beat.number <= (heardNumber ?? 0)) return DUPLICATE
    const leaseMs = clampLease(beat.leaseMs) - silenceMs(arrival, peer)
    if (leaseMs <= 0) return refused({ kind: 'too_old', ageMs: arrival.idleMs })
    const objection =
      entry?.status === 'live' ? undefined : this.#admissionRefusal(newest.record, { ...arrival, idleMs: 0 })
    if (objection !== undefined) return refused(objection)
    const signed = verifyBeat(this.#deps.scheme, parsed.value)
    if (signed === undefined) return refused({ kind: 'bad_signature' })
    if (peer === this.#deps.self) return { kind: 'own', position: { incarnation, seq: beat.seq } }
    const isProof =
      entry?.status === 'live' ||
      isSignOfLife({ author: peer, saidAt: beat.sentAt }, entry && lastWordOf(entry), arrival)
    this.table.put({
      signed: newest,
      record: newest.record,
      status: isProof ? 'live' : 'stale',
      loads: loadsOf(newest.record, signed),
      beat: signed,
      heardAt: asMonotonicMs(arrival.at - arrival.idleMs),
      leaseEndsAt: asMonotonicMs(Math.max(entry?.status === 'live' ? entry.leaseEndsAt : 0, arrival.at + leaseMs)),
    })
    return { kind: 'heard', peer, isBehind: beat.seq > seq }
  }

  receiveProof(bytes: Uint8Array, arrival: Arrival): Outcome {
    const checked: Ok<Slot> | RecordRefusal = checkProof(this.#deps.scheme, bytes)
    if (checked.kind !== 'ok') return refused(checked)
    const { record } = recordsOf(checked.value)[0]
    const refusal =
      this.#refusalByNetwork(record.network) ??
      refusalByClock(record.signedAt, recordAgeMs(), { ...arrival, source: 'peer' })
    if (refusal !== undefined) return refused(refusal)
    if (record.peer === this.#deps.self) {
      return { kind: 'own', position: { incarnation: record.incarnation, seq: record.seq } }
    }
    const slot = this.table.slotOf(record.peer)
    const merged = slot === undefined ? checked.value : mergeSlots(slot, checked.value)
    if (merged === slot)
      return comparePositions(positionOf(merged), record) > 0 ? { kind: 'older', peer: record.peer } : DUPLICATE
    return merged.kind === 'record' ? { kind: 'older', peer: record.peer } : this.#take(record.peer, merged, arrival)
  }

  /** Ends the leases that are over; the nodes that are gone by that. */
  sweep(now: UnixMs, at: MonotonicMs): readonly NodeId[] {
    const gapMs = this.#sweptAt === undefined ? 0 : at - this.#sweptAt
    this.#sweptAt = at
    if (gapMs > limit('wakeGapMs')) this.#extendLeases(gapMs)
    const expired = [...this.table.values()].filter(({ leaseEndsAt }) => leaseEndsAt <= at)
    for (const entry of expired) {
      if (entry.status === 'stale') this.table.drop(entry.record.peer)
      else this.#remove(entry.record.peer, { kind: 'record', newest: entry.signed }, 'expired')
    }
    this.table.forgetUntil(now)
    return expired.map(({ record }) => record.peer)
  }

  /** Drops the nodes that a new revocation or policy speaks against. */
  recheck(now: UnixMs): readonly NodeId[] {
    const { self, objectionTo } = this.#deps
    const objectionable = this.table
      .all()
      .filter(({ record }) => record.peer !== self && objectionTo(record, now) !== undefined)
    for (const { record } of objectionable) this.table.drop(record.peer)
    return objectionable.map(({ record }) => record.peer)
  }

  /** Remembers what an earlier run of this node knew of one that was gone. */
  restoreGone({ cause, beatNumber, bytes }: RememberedNode, arrival: Arrival): void {
    if (cause === 'equivocation') {
      this.receiveProof(bytes, arrival)
      return
    }
    const parsed = this.#read.record(this.#deps.scheme, bytes)
    if (parsed.kind !== 'ok' || parsed.value.record.peer === this.#deps.self) return
    const { record } = parsed.value
    const signed = this.#refusalByNetwork(record.network) === undefined ? this.#verify(parsed.value) : undefined
    if (signed === undefined || this.table.slotOf(record.peer) !== undefined) return
    this.#remove(record.peer, { kind: 'record', newest: signed }, cause, beatNumber)
    this.table.forgetUntil(arrival.now)
  }

  /** The same record again says nothing new, except of a node that is only remembered. */
  #confirm(peer: NodeId, arrival: Arrival): Outcome {
    const entry = this.table.get(peer)
    const leaseMs = entry === undefined ? 0 : clampLease(entry.record.leaseMs) - silenceMs(arrival, peer)
    if (entry?.status !== 'stale' || leaseMs <= 0) return DUPLICATE
    if (!isSignOfLife({ author: peer, saidAt: entry.record.signedAt }, undefined, arrival)) return DUPLICATE
    this.table.put({
      ...entry,
      status: 'live',
      heardAt: asMonotonicMs(arrival.at - arrival.idleMs),
      leaseEndsAt: asMonotonicMs(arrival.at + leaseMs),
    })
    return { kind: 'listed', peer, isNew: true }
  }

  #take(peer: NodeId, slot: Slot, arrival: Arrival): Outcome {
    if (slot.kind === 'equivocation') {
      this.#remove(peer, slot, 'equivocation')
      return { kind: 'equivocation', peer, proof: encodeProof(slot) }
    }
    const signed = slot.newest
    const { record } = signed
    if (isFarewell(record)) {
      this.#remove(peer, slot, 'left')
      return { kind: 'left', peer }
    }
    const before = this.table.get(peer)
    const isSameRun = before?.record.incarnation === record.incarnation
    const word = { author: peer, saidAt: record.signedAt }
    const isStale = before?.status !== 'live' && !isSignOfLife(word, before && lastWordOf(before), arrival)
    const isFromDisk = arrival.source === 'disk'
    const leaseEndsAt = isFromDisk
      ? arrival.at + limit('staleMs')
      : Math.max(
          arrival.at + clampLease(record.leaseMs) - silenceMs(arrival, peer),
          isSameRun && before.status === 'live' ? before.leaseEndsAt : 0,
        )
    const beat = isSameRun ? before.beat : undefined
    this.table.put({
      signed,
      record,
      status: isStale ? 'stale' : 'live',
      loads: loadsOf(record, beat),
      beat,
      heardAt: asMonotonicMs(arrival.at - arrival.idleMs),
      leaseEndsAt: asMonotonicMs(leaseEndsAt),
    })
    return { kind: 'listed', peer, isNew: before === undefined }
  }

  #remove(peer: NodeId, slot: Slot, cause: GoneNode['cause'], least = 0): void {
    const entry = this.table.get(peer)
    const beatNumber = entry?.beat?.beat.number ?? this.table.gone(peer)?.beatNumber ?? least
    const newestSignedAt = Math.max(...recordsOf(slot).map(({ record }) => record.signedAt))
    // Its author's clock may be behind ours by the tolerance, and then others take it for that much longer.
    const forgetAt = asUnixMs(newestSignedAt + recordAgeMs() + limit('clockToleranceMs'))
    this.table.remove(peer, { slot, cause, beatNumber, forgetAt })
  }

  #admissionRefusal(record: NodeRecord, arrival: Arrival): RecordRefusal | undefined {
    if (isFarewell(record)) return this.table.farewellRefusal(record)
    if (isLeaseOver(record, arrival)) return { kind: 'too_old', ageMs: arrival.idleMs }
    const full = this.table.quotaRefusal(record)
    if (full !== undefined) return full
    const reason = this.#deps.objectionTo(record, arrival.now)
    return reason === undefined ? undefined : { kind: 'not_admitted', reason }
  }

  #verify(parsed: UnverifiedRecord): SignedRecord | undefined {
    const { record, bytes, id, fingerprint } = parsed
    if (this.#verified.has(fingerprint)) return { record, bytes, id }
    const signed = verifyRecord(this.#deps.scheme, parsed)
    if (signed !== undefined) this.#verified.add(fingerprint)
    return signed
  }

  #refusalByNetwork(found: NetworkId): RecordRefusal | undefined {
    const { network } = this.#deps
    return found === network ? undefined : { kind: 'wrong_network', expected: network, found }
  }

  /** This process was asleep: nobody could be heard meanwhile. */
  #extendLeases(gapMs: number): void {
    // Putting the same record under its key again does not disturb the iteration.
    for (const entry of this.table.values()) {
      this.table.put({ ...entry, leaseEndsAt: asMonotonicMs(entry.leaseEndsAt + gapMs) })
    }
  }
}

/** A beat's loads belong to the services of one record; those of an earlier or later one say nothing of this one's. */
function loadsOf({ seq, services }: NodeRecord, beat: SignedBeat | undefined): readonly ServiceLoad[] {
  const isMatch = beat !== undefined && beat.beat.seq === seq && beat.beat.loads.length === services.length
  return isMatch ? beat.beat.loads : services.map(({ load }) => load)
}
