/** A machine of a network lab as the place where a node runs; it is called through a socket file, which every namespace can reach. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, fetch as undiciFetch } from 'undici'
import type { Machine, NetworkLab } from './namespaces.ts'
import type { Place } from './node-process.ts'

export function placeIn(lab: NetworkLab, machine: Machine): Place {
  let doors = 0
  const folder = mkdtempSync(join(tmpdir(), 'heddle-door-'))
  return {
    prefix: lab.on(machine),
    door: async (port) => {
      doors += 1
      const socketPath = join(folder, `${doors}.sock`)
      await lab.openDoor(machine, port, socketPath)
      const dispatcher = new Agent({ connect: { socketPath } })
      return ((input: string, init?: RequestInit) =>
        undiciFetch(input, { ...(init as object), dispatcher })) as unknown as typeof fetch
    },
  }
}
