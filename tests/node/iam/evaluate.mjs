// node tests/node/iam/evaluate.mjs RESOURCES CALLS [--some]
//
// RESOURCES: Terraform's resources of an environment as an apply makes them, each with an ARN of its own (JSON).
// CALLS: what LocalStack recorded (`tests/localstack/fonderie_localstack/calls.py`), a line of JSON per call.
//
// Prints who calls what, and by which statement it may; fails if a call is denied that happens, if one is allowed that must be denied, or if a
// statement is there for nothing. With `--some`, CALLS is not all that can happen, and no right has to be needed.

import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

import { requests, short } from './calls.mjs'
import { denied } from './denied.mjs'
import { implied } from './implied.mjs'
import { planned, statements } from './planned.mjs'
import { services } from './services.mjs'
import { describe, evaluate } from './simulate.mjs'
import { DENIED_ON_PURPOSE, UNNEEDED } from './unneeded.mjs'

/** Evaluates everything; returns the table's rows, the statements that are excused, and the faults as sentences. */
export async function examine(resources, lines, { unneeded = UNNEEDED, mustBeDenied = denied, some = false } = {}) {
  const environment = planned(resources)
  const recorded = lines.flatMap(line => requests(line, environment))
  const direct = [...recorded, ...services(environment)]
  const all = [...direct, ...direct.flatMap(request => implied(request, environment))]

  const faults = new Set()
  const used = new Set()
  const rows = new Map()
  const refused = []
  for (const [request, count] of distinct(all)) {
    const { result, allowedBy, deniedBy } = await evaluate(environment, request)
    if (result !== 'Allowed') {
      const purpose = DENIED_ON_PURPOSE.find(
        found =>
          matches(found.role, environment.roles.get(request.principal)?.name ?? '') &&
          request.action === found.action &&
          request.resource.includes(found.resource),
      )
      if (purpose) {
        refused.push([`${describe(request)}: ${purpose.reason}`, result])
        continue
      }
      const why = deniedBy.map(({ holder, id }) => `${holder}: ${id}`).join(', ')
      faults.add(`${describe(request)} is ${result}${why && ` by ${why}`} (${request.origin})`)
      continue
    }
    for (const level of allowedBy) {
      // Of two statements that allow the same, neither is shown to be needed.
      if (level.length === 1) used.add(statementAction(level[0], request.action))
    }
    const by = allowedBy.flat().map(({ holder, id }) => (holder === environment.roles.get(request.principal)?.name ? id : `${holder}: ${id}`))
    const row = [who(request, environment), request.action, by.join(' + '), request.origin]
    rows.set(row.join('\t'), { row, count: (rows.get(row.join('\t'))?.count ?? 0) + count })
  }

  for (const { what, request, result } of mustBeDenied(environment)) {
    const answer = await evaluate(environment, request)
    const asAsked = result === 'Denied' ? ['ImplicitlyDenied', 'ExplicitlyDenied'].includes(answer.result) : answer.result === result
    if (!asAsked) faults.add(`must be denied, and is ${answer.result}: ${what}`)
    answer.deniedBy.forEach(statement => used.add(statementAction(statement, '')))
    refused.push([what, answer.result])
  }

  const excused = []
  if (some) return { calls: counted(rows), refused, excused, faults: [...faults], recorded: recorded.length }
  const excuses = new Set()
  for (const { holder, id, effect, actions } of statements(environment)) {
    // What a Deny denies is one list of calls; what an Allow allows is shown right by right.
    for (const action of effect === 'Deny' ? [''] : actions) {
      const applicable = unneeded.filter(found => matches(found.holder, holder) && matches(found.id, id) && found.actions.includes(action))
      applicable.forEach(excuse => excuses.add(excuse))
      if (used.has(statementAction({ holder, id }, action))) continue
      if (applicable.length > 0) excused.push([`${holder}: ${id}`, action, applicable[0].reason, applicable[0].source])
      else faults.add(effect === 'Deny' ? `${holder}: ${id} denies no call that must be denied` : `${holder}: ${id} allows ${action}, which no call needs`)
    }
  }
  for (const { holder, id } of unneeded.filter(found => !excuses.has(found))) {
    faults.add(`${holder}: ${id} is listed in unneeded.mjs, and no policy has it`)
  }
  return { calls: counted(rows), refused, excused, faults: [...faults], recorded: recorded.length }
}

const counted = rows => [...rows.values()].map(({ row, count }) => [...row, `${count}`])

/** Requests that IAM cannot tell apart, with how often they come. */
function distinct(all) {
  const found = new Map()
  for (const request of all) {
    const { origin, status, ...asked } = request
    const key = JSON.stringify([asked, origin])
    found.set(key, [request, (found.get(key)?.[1] ?? 0) + 1])
  }
  return found.values()
}

const statementAction = ({ holder, id }, action) => [holder, id, action].join('\t')
const matches = (pattern, text) => new RegExp(`^${pattern.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`).test(text)
const who = ({ principal }, environment) => (principal.startsWith('arn:') ? short(principal, environment) : principal)

function table(title, header, rows) {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map(row => row[column].length)))
  const line = row => row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd()
  return [`\n${title}`, line(header), ...rows.map(line).sort()].join('\n')
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [resources, calls, option] = process.argv.slice(2)
  const lines = readFileSync(calls, 'utf8').split('\n').filter(Boolean)
  const found = await examine(JSON.parse(readFileSync(resources, 'utf8')), lines, { some: option === '--some' })
  console.log(table('Calls', ['who', 'action', 'allowed by', 'origin', 'calls'], found.calls))
  console.log(table('Denied, as they must be', ['call', 'result'], found.refused))
  console.log(table('Rights that no call here needs', ['statement', 'action', 'reason', 'source'], found.excused))
  console.log(`\n${found.recorded} requests of recorded calls, ${found.calls.length} kinds of calls allowed, ${found.refused.length} denied, ${found.excused.length} rights excused`)
  for (const fault of found.faults.sort()) console.error(`fault: ${fault}`)
  if (found.faults.length > 0) process.exit(1)
}
