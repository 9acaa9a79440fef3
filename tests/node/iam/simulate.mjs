// One request against the policies that AWS would ask: those of the identity, of the resource, and of the endpoint on its way.

import { runSimulation } from '@cloud-copilot/iam-simulate'

/**
 * A request: `{principal, action, resource, context, endpoint}`. `principal` is a role's ARN or a service's name; `endpoint` the service whose
 * endpoint the request passes by, if it comes from a function in the network. `identity` takes the place of the role's policies.
 *
 * Returns `{result, allowedBy, deniedBy}`: `Allowed`, `ImplicitlyDenied`, `ExplicitlyDenied` or `NoWay` (there is no endpoint), and the
 * statements that decided, as `{holder, id}`.
 */
export async function evaluate(environment, request) {
  const role = environment.roles.get(request.principal)
  const identity = request.identity ?? role?.policies ?? []
  const onResource = request.trust
    ? { holder: `trust ${environment.roles.get(request.resource).name}`, policy: environment.roles.get(request.resource).trust }
    : environment.policies.get(withoutPath(request.resource))
  const endpoint = request.endpoint && environment.endpoints.get(request.endpoint)
  if (request.endpoint && !endpoint) return { result: 'NoWay', allowedBy: [], deniedBy: [] }

  const policies = [...identity.map(({ policy }) => policy), onResource?.policy, endpoint?.policy].filter(Boolean)
  const answer = await runSimulation(
    {
      request: {
        principal: request.principal,
        action: request.action,
        // A wildcard in an object's key would be taken for a question about many objects.
        resource: { resource: request.resource === '*' ? '*' : request.resource.replaceAll('*', 'x'), accountId: environment.account },
        contextVariables: renamed(context(environment, request)),
      },
      identityPolicies: identity.map(({ name, policy }) => ({ name, policy: renamed(policy) })),
      resourcePolicy: onResource && renamed(onResource.policy),
      vpcEndpointPolicies: endpoint && [{ name: endpoint.name, policy: renamed(endpoint.policy) }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  )
  if (answer.resultType !== 'single') throw new Error(`${describe(request)}: ${JSON.stringify(answer.errors ?? answer)}`)
  const { analysis, ignoredContextKeys } = answer.result
  for (const key of ignoredContextKeys) {
    if (policies.some(policy => JSON.stringify(policy).includes(`"${key}"`))) {
      throw new Error(`${describe(request)}: the simulator ignores ${key}, of which a policy makes a condition`)
    }
  }
  const levels = [
    [role?.name ?? request.principal, analysis.identityAnalysis],
    [onResource?.holder, analysis.resourceAnalysis],
    [endpoint?.name, analysis.endpointAnalysis],
  ]
  const named = kind =>
    levels.map(([holder, level]) => (level?.[kind] ?? []).map(found => ({ holder, id: found.explain.identifier })))
  return { result: analysis.result, allowedBy: named('allowStatements'), deniedBy: named('denyStatements').flat() }
}

/** What AWS fills in by itself, and what the request adds or changes. */
function context(environment, request) {
  const own = environment.roles.has(request.principal) || request.principal.includes(`:${environment.account}:`)
  const account = request.principal.split(':')[4]
  return {
    'aws:SecureTransport': 'true',
    'aws:ResourceAccount': environment.account,
    'aws:RequestedRegion': environment.region,
    ...(request.principal.startsWith('arn:') && { 'aws:PrincipalArn': request.principal, 'aws:PrincipalAccount': account }),
    ...(request.principal.endsWith('.amazonaws.com') && { 'aws:PrincipalIsAWSService': 'true', 'aws:PrincipalServiceName': request.principal }),
    ...(request.action.startsWith('kms:') && own && { 'kms:CallerAccount': environment.account }),
    ...request.context,
  }
}

/** The simulator knows no condition key whose end is free after a colon: such a key takes the place of one that it knows. */
function renamed(document) {
  return JSON.parse(JSON.stringify(document).replaceAll('"kms:EncryptionContext:', '"aws:RequestTag/kms:EncryptionContext:'))
}

/** The ARN that has the policy: an object's bucket, a function without its qualifier. */
function withoutPath(arn) {
  if (arn.startsWith('arn:aws:s3:::')) return arn.split('/')[0]
  return arn.includes(':lambda:') ? arn.split(':').slice(0, 7).join(':') : arn
}

export function describe(request) {
  return `${request.principal.split('/').at(-1)} ${request.action} on ${request.resource}`
}
