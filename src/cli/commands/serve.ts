import type { Command } from '../command.ts'
import { readSettings } from '../settings.ts'

export const serve: Command = {
  name: 'serve',
  parameters: '',
  summary: 'Run the proxy',
  more:
    'SIGTERM and SIGINT let running answers end, for at most drainTimeout. SIGHUP has it read its settings again; what cannot\n' +
    'change while it runs is told in its log.',
  run: async (given, surroundings) => {
    const read = () => readSettings(given, surroundings)
    return surroundings.serve(read(), read)
  },
}
