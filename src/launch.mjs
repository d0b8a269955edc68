#!/usr/bin/env node
// Runs Forebay by the Node it was tested with, whatever `node` is on this machine. Plain JavaScript for Node 18 and later.
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const leastMajor = 24
// MiB. Left to itself this part of the heap grows to a hundred and more under slow readers, and is no faster for it.
const nodeOptions = ['--max-semi-space-size=16']

/** The Node that came along as a package for this kind of machine; undefined where there is none. */
function pinnedNode() {
  try {
    return realpathSync(createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`))
  } catch {
    return undefined
  }
}

function isRecent() {
  return Number(process.versions.node.split('.')[0]) >= leastMajor
}

/** In this process: no second one to watch, and signals arrive where they are meant to. */
function runHere(main) {
  process.argv.splice(1, 1, fileURLToPath(main))
  return import(main.href)
}

function giveUp(why) {
  process.stderr.write(
    `forebay: ${why} This is Node ${process.versions.node}, and Forebay needs ${leastMajor} or later.\n` +
      'Install with optional dependencies, which bring it (npm install without --omit=optional), or install Node yourself.\n',
  )
  process.exitCode = 1
}

function runBy(node, main) {
  const child = spawn(node, [...nodeOptions, fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal sends Ctrl-C to both; the child decides, and must not hear it twice.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  child.once('error', (error) => {
    if (isRecent()) void runHere(main)
    else giveUp(`${node} cannot be started (${error.code}).`)
  })
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0)
  })
}

// A checkout runs its sources; a package has only what was built of them.
const sources = new URL('main.ts', import.meta.url)
const main = existsSync(sources) ? sources : new URL('../dist/main.js', import.meta.url)
const pinned = pinnedNode()

if (pinned !== undefined && pinned !== realpathSync(process.execPath)) runBy(pinned, main)
else if (isRecent()) await runHere(main)
else giveUp(`there is no package node-${process.platform}-${process.arch} beside it.`)
