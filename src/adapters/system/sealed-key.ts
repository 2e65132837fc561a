/** A private key under a passphrase: scrypt (RFC 7914) makes the key that seals it with AES-256-GCM. */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import { HeddleError } from '../../core/errors.ts'
import { equalBytes } from '../../core/identity/bytes.ts'
import { decodeCanonical, encodeCanonical } from '../../core/identity/canonical.ts'
import { PUBLIC_KEY_BYTES, type PublicKey, parsePublicKey, SEED_BYTES } from '../../core/identity/ed25519-rules.ts'
import { FieldReader, fieldsOf } from '../../core/identity/field-reader.ts'
import type { Checked } from '../../core/identity/refusal.ts'
import { limit } from '../../core/limits.ts'
import type { KeySealer } from '../../ports/identity-store.ts'
import { ed25519Keys } from './ed25519-signer.ts'

const VERSION = 1
const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** version, public key (32 bytes), log2 of N, r, p, salt (16), nonce (12), sealed seed with its tag (48). Keys 0 to 6 are authenticated. */
const KEY = { publicKey: 1, logN: 2, r: 3, p: 4, salt: 5, nonce: 6, sealed: 7 } as const
/** 128 MiB and about half a second; N = 2^17, r = 8, p = 1 is the OWASP recommendation. */
const COST = { logN: 17, r: 8, p: 1 } as const
const MAX_PARALLEL = 16

export interface SealedKey {
  readonly publicKey: PublicKey
  readonly logN: number
  readonly r: number
  readonly p: number
  readonly salt: Uint8Array
  readonly nonce: Uint8Array
  readonly sealed: Uint8Array
}

/** Reads a sealed key without opening it. */
export function readSealedKey(bytes: Uint8Array): Checked<SealedKey> {
  const decoded = decodeCanonical(bytes, { maxBytes: limit('statementBytes') })
  if (decoded.kind !== 'ok') return decoded
  const reader = new FieldReader(decoded.value)
  reader.version(VERSION)
  const publicKey = reader.parsed(KEY.publicKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
  const [logN, r, p] = [reader.uint(KEY.logN), reader.uint(KEY.r), reader.uint(KEY.p)]
  const salt = reader.bytes(KEY.salt, SALT_BYTES)
  const nonce = reader.bytes(KEY.nonce, NONCE_BYTES)
  const sealed = reader.bytes(KEY.sealed, SEED_BYTES + TAG_BYTES)
  if (logN < 1 || r < 1 || p < 1 || p > MAX_PARALLEL || memoryOf({ logN, r }) > limit('scryptBytes')) {
    reader.refuse('it would take too much to open')
  }
  // RFC 7914 §2.
  if (logN >= 16 * r) reader.refuse('its costs are impossible')
  return reader.finish(() => publicKey && { publicKey, logN, r, p, salt, nonce, sealed })
}

/** @param cost smaller only in tests, where half a second a key is too long */
export function keySealer(cost: { readonly logN: number; readonly r: number; readonly p: number } = COST): KeySealer {
  return {
    async seal(seed, passphrase) {
      if (passphrase.length < limit('passphraseMinCharacters')) {
        throw new HeddleError('usage', `a passphrase has at least ${limit('passphraseMinCharacters')} characters`)
      }
      const { publicKey } = ed25519Keys.signerOf(seed)
      const parts = {
        publicKey,
        ...cost,
        salt: new Uint8Array(randomBytes(SALT_BYTES)),
        nonce: new Uint8Array(randomBytes(NONCE_BYTES)),
      }
      const cipher = createCipheriv('aes-256-gcm', await keyOf(passphrase, parts), parts.nonce)
      cipher.setAAD(headOf(parts))
      const sealed = new Uint8Array(Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()]))
      return encodeCanonical(fieldsOf({ ...headFields(parts), [KEY.sealed]: sealed }))
    },
    async unseal(bytes, passphrase) {
      const read = readSealedKey(bytes)
      if (read.kind !== 'ok') throw new HeddleError('state_corrupt', 'not a sealed key')
      const { sealed, nonce, publicKey } = read.value
      const decipher = createDecipheriv('aes-256-gcm', await keyOf(passphrase, read.value), nonce, {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(headOf(read.value))
      decipher.setAuthTag(sealed.subarray(SEED_BYTES))
      const seed = new Uint8Array(decipher.update(sealed.subarray(0, SEED_BYTES)))
      try {
        decipher.final()
      } catch {
        // The tag does not fit; OpenSSL's own error says no more than that.
        throw new HeddleError('wrong_passphrase', 'the passphrase is wrong, or the sealed key was changed')
      }
      if (equalBytes(ed25519Keys.signerOf(seed).publicKey, publicKey)) return seed
      throw new HeddleError('state_corrupt', 'the sealed key is not the one that its public key names')
    },
  }
}

type Head = Omit<SealedKey, 'sealed'>

function headFields({ publicKey, logN, r, p, salt, nonce }: Head): Readonly<Record<number, number | Uint8Array>> {
  return {
    0: VERSION,
    [KEY.publicKey]: publicKey,
    [KEY.logN]: logN,
    [KEY.r]: r,
    [KEY.p]: p,
    [KEY.salt]: salt,
    [KEY.nonce]: nonce,
  }
}

const headOf = (head: Head): Uint8Array => encodeCanonical(fieldsOf(headFields(head)))

/** 128 N r bytes (RFC 7914 §6). */
const memoryOf = ({ logN, r }: { readonly logN: number; readonly r: number }): number => 128 * 2 ** logN * r

function keyOf(passphrase: string, { salt, logN, r, p }: Pick<Head, 'salt' | 'logN' | 'r' | 'p'>): Promise<Buffer> {
  // The same words typed on another system may be composed differently.
  const words = passphrase.normalize('NFKC')
  const options = { N: 2 ** logN, r, p, maxmem: memoryOf({ logN, r }) + 1024 * 1024 + 128 * r * p }
  return new Promise((resolve, reject) => {
    scrypt(words, salt, 32, options, (error, key) => (error === null ? resolve(key) : reject(error)))
  })
}
