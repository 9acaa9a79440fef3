import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { mistakes } from './definitions.mjs'

const pipeline = readFileSync(new URL('../../terraform/modules/state-machine/pipeline.asl.json', import.meta.url), 'utf8')

test('a definition without a mistake has none', () => assert.deepEqual(mistakes(pipeline), []))

for (const [what, from, to, expected] of [
  ['a state that is not there', '"Next": "validate"', '"Next": "validat"', /validat$/],
  ['a path that is none', '"ResultPath": "$.run"', '"ResultPath": "run"', /ResultPath/],
  ['a kind of state that is none', '"Type": "Task"', '"Type": "Tusk"', /Type/],
]) {
  test(what, () => {
    assert.ok(pipeline.includes(from))
    assert.match(mistakes(pipeline.replace(from, to)).join('\n'), expected)
  })
}
