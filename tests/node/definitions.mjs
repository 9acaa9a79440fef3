// node tests/node/definitions.mjs FILE…
//
// Validates definitions of state machines against the Amazon States Language, with values in the place of Terraform's placeholders: structure,
// paths, intrinsic functions, and that each state is reached and leads somewhere.

import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

import validator from 'asl-validator'

/** What is wrong with a definition, as sentences. */
export function mistakes(text) {
  const definition = JSON.parse(filled(text))
  const { isValid, errors } = validator(definition, { checkPaths: true, checkArn: true })
  return isValid ? [] : errors.map(error => [error['Error code'] ?? error.schemaPath, error.Message ?? error.message, error.path ?? error.instancePath].filter(Boolean).join(': '))
}

/** As `templates` of the module state-machine does it: a quoted placeholder becomes an ARN, a name or a number. */
function filled(text) {
  return text.replace(/"\$\{([a-z_]+)\}"/g, (_, name) => {
    if (name === 'pipeline_arn') return '"arn:aws:states:eu-west-1:123456789012:stateMachine:pipeline"'
    if (name.endsWith('_arn')) return `"arn:aws:lambda:eu-west-1:123456789012:function:${name.replace('_arn', '')}"`
    return name.endsWith('_bucket') ? '"reports"' : '10'
  })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  let wrong = 0
  for (const file of process.argv.slice(2)) {
    for (const mistake of mistakes(readFileSync(file, 'utf8'))) {
      console.error(`${file}: ${mistake}`)
      wrong += 1
    }
  }
  console.log(`${process.argv.length - 2} definitions, ${wrong} mistakes`)
  if (wrong > 0) process.exit(1)
}
