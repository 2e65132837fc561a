/** This node's device key: made at the first start, kept in a file that only its owner may read. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { readSecretFile, writeSecretFile } from '../adapters/system/secret-file.ts'
import { HeddleError } from '../core/errors.ts'
import { peerIdOf } from '../core/identity/peer-id.ts'
import type { NodeId } from '../core/ids.ts'

export interface Identity {
  readonly id: NodeId
  /** SHA-256 of the raw public key, lower-case hex. */
  readonly fingerprint: string
  readonly privateKey: KeyObject
}

/** @throws HeddleError `insecure_file_mode`, or `state_corrupt` where the file holds no Ed25519 key */
export async function openIdentity(keysDir: string): Promise<Identity> {
  const path = join(keysDir, 'device.key')
  const stored = await readSecretFile(path)
  const privateKey = stored === undefined ? generateKeyPairSync('ed25519').privateKey : parseKey(stored, path)
  if (stored === undefined) {
    await writeSecretFile(path, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString().trim())
  }
  const raw = Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '', 'base64url')
  return { id: peerIdOf(raw), fingerprint: createHash('sha256').update(raw).digest('hex'), privateKey }
}

function parseKey(pem: string, path: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // told below, without the cause: it may quote the key
  }
  throw new HeddleError('state_corrupt', `${path} does not hold an Ed25519 key`, {
    fix: `mv '${path}' '${path}.broken'   (the node gets a new identity at its next start)`,
  })
}
