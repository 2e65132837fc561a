/** A program of its own: an OpenAI-compatible server whose answers never end. Prints its port; made to be killed. */
import { beginStream, chunkEvent, startFakeUpstream } from './fake-upstream.ts'

const upstream = await startFakeUpstream({
  [process.argv[2] ?? 'endless']: (response, { stream }) => {
    // Not streamed means that the answer never comes at all.
    if (stream !== true) return
    beginStream(response)
    const timer = setInterval(() => response.write(chunkEvent('on ')), 20)
    response.on('close', () => clearInterval(timer))
  },
})
process.stdout.write(`${upstream.server.port}\n`)
