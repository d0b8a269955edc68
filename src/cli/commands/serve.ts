import type { Command } from '../command.ts'
import { readSettings } from '../settings.ts'

export const serve: Command = {
  name: 'serve',
  parameters: '',
  summary: 'Run the proxy',
  more: 'SIGTERM and SIGINT let running answers end, for at most drainTimeout.',
  run: async (given, surroundings) => surroundings.serve(readSettings(given, surroundings)),
}
