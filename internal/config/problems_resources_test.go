package config

import (
	"strings"
	"testing"
)

func TestResourcesAreChecked(t *testing.T) {
	wantProblems(t, problemCases{
		"no type":                          {resourceOf("id: c, secrets: {secret: s}"), `resources[0].type: is missing`},
		"type":                             {resourceOf("type: Clients, id: c, secrets: {secret: s}"), `resources[0].type: ` + resourceTypeProblem + `; did you mean "Client"?`},
		"no id":                            {resourceOf("type: Client, secrets: {secret: s}"), `resources[0].id: is missing`},
		"id":                               {resourceOf("type: Client, id: a/b, secrets: {secret: s}"), `resources[0].id: must be an id`},
		"resource twice":                   {"resources: [{type: Client, id: c, secrets: {secret: s}}, {type: Client, id: c, secrets: {secret: s}}]\n", `resources[1]: has the same type and id as resources[0]`},
		"no references":                    {resourceOf("type: Client, id: c"), `resources[0].secrets: is empty`},
		"unknown secret":                   {secretsOf("{name: my-secret, scope: [Client]}") + resourceOf("type: Client, id: c, secrets: {secret: my-secert}"), `resources[0].secrets.secret: names no secret of this delivery; did you mean "my-secret"?`},
		"literal":                          {resourceOf("type: Client, id: c, secrets: {secret: hunter2}"), `resources[0].secrets.secret: names no secret of this delivery; write the name of a secret, not a value`},
		"out of scope":                     {resourceOf("type: Client, id: basic, secrets: {secret: s}"), `resources[0].secrets.secret: names a secret whose scope does not include this resource; add "Client/basic" to secrets[0].scope`},
		"field":                            {resourceOf("type: Client, id: c, secrets: {secert: s}"), `resources[0].secrets.secert: is not a field of this type that takes a secret; did you mean "secret"?`},
		"parameter":                        {secretsOf("{name: s, scope: [AidboxTopicDestination]}") + resourceOf("type: AidboxTopicDestination, id: c, secrets: {\"parameter.zzzzzzzzzzzzzzzzzzzzzz zzzzzzzzzzzzzzzzzz\": s}"), `is not a field of this type that takes a secret; available: parameter.saslJaasConfig,`},
		"parameter of another type":        {secretsOf("{name: s, scope: [Client]}") + resourceOf("type: Client, id: c, secrets: {parameter.header: s}"), `is not a field of this type that takes a secret; available: secret`},
		"number at one parameter":          {secretsOf("{name: s, scope: [AidboxTopicDestination]}") + resourceOf("type: AidboxTopicDestination, id: c, secrets: {\"parameter.saslJaasConfig[1]\": s}"), `is not a field of this type that takes a secret`},
		"number left out":                  {secretsOf("{name: s, scope: [AidboxTopicDestination]}") + resourceOf("type: AidboxTopicDestination, id: c, secrets: {parameter.header: s, \"parameter.header[2]\": s}"), `resources[0].secrets.parameter.header[2]: leaves out a number; number them in a row: parameter.header, parameter.header[1]`},
		"header twice":                     {secretsOf("{name: s, scope: [AidboxTopicDestination]}") + resourceOf("type: AidboxTopicDestination, id: c, secrets: {parameter.header: s, \"parameter.header[0]\": s}"), `resources[0].secrets.parameter.header[0]: is the same field as parameter.header; remove one`},
		"key index":                        {secretsOf("{name: s, scope: [TokenIntrospector]}") + resourceOf("type: TokenIntrospector, id: c, secrets: {\"jwt.keys[100].k\": s}"), `is not a field of this type that takes a secret`},
		"field twice":                      {secretsOf("{name: s, scope: [TokenIntrospector]}") + resourceOf("type: TokenIntrospector, id: c, secrets: {jwt.keys.k: s, \"jwt.keys[0].k\": s}"), `resources[0].secrets.jwt.keys[0].k: is the same field as jwt.keys.k`},
		"accessPolicy":                     {resourceOf("type: Client, id: c, secrets: {secret: s}, accessPolicy: alow"), `resources[0].accessPolicy: must be one of: allow; did you mean "allow"?`},
		"whose policy":                     {secretsOf("{name: s, scope: [TokenIntrospector]}") + resourceOf("type: TokenIntrospector, id: c, secrets: {jwt.secret: s}, accessPolicy: allow"), `resources[0].accessPolicy: is only for a Client`},
		"policy's id":                      {secretsOf("{name: s, scope: [Client]}") + resourceOf("type: Client, id: "+strings.Repeat("a", 55)+", secrets: {secret: s}, accessPolicy: allow"), `resources[0].accessPolicy: gives the AccessPolicy an id that is too long`},
		"another id":                       {resourceOf("type: Client, id: c, secrets: {secret: s}, body: {id: d}"), `resources[0].body.id: differs from that of the resource`},
		"another type":                     {resourceOf("type: Client, id: c, secrets: {secret: s}, body: {resourceType: Patient}"), `resources[0].body.resourceType: differs from that of the resource`},
		"literal in body":                  {resourceOf("type: Client, id: c, secrets: {secret: s}, body: {secret: hunter2}"), `resources[0].body: has a value at secret; remove it`},
		"own extension":                    {resourceOf("type: Client, id: c, secrets: {secret: s}, body: {_secret: {extension: []}}"), `resources[0].body: has a value at secret`},
		"literal in a list":                {secretsOf("{name: s, scope: [TokenIntrospector]}") + resourceOf("type: TokenIntrospector, id: c, secrets: {jwt.secret: s}, body: {jwt: {keys: [{kty: oct}, {k: hunter2}]}}"), `resources[0].body: has a value at jwt.keys.k`},
		"literal parameter":                {secretsOf("{name: s, scope: [AidboxTopicDestination]}") + resourceOf("type: AidboxTopicDestination, id: c, secrets: {parameter.saslJaasConfig: s}, body: {parameter: [{name: saslJaasConfig, valueString: hunter2}, {name: saslMechanism, valueString: PLAIN}]}"), `resources[0].body: has a value at parameter.saslJaasConfig`},
		"literal beside MSK's reference":   {secretsOf("{name: s, scope: [AidboxTopicDestination]}") + resourceOf("type: AidboxTopicDestination, id: c, secrets: {parameter.saslJaasConfig: s}, body: {parameter: [{name: saslJaasConfig, valueString: hunter2}, {name: saslMechanism, valueString: AWS_MSK_IAM}]}"), `resources[0].body: has a value at parameter.saslJaasConfig`},
		"literal of an unlisted parameter": {secretsOf("{name: s, scope: [AidboxTopicDestination]}") + resourceOf("type: AidboxTopicDestination, id: c, secrets: {parameter.apiKey: s}, body: {parameter: [{name: apiKey, valueString: hunter2}]}"), `resources[0].body: has a value at parameter.apiKey`},
		"literal certificate that is referred to": {secretsOf("{name: s, scope: [IdentityProvider]}") + resourceOf("type: IdentityProvider, id: c, secrets: {client.certificate: s}, body: {client: {certificate: hunter2}}"), `resources[0].body: has a value at client.certificate`},
		"one policy for two Clients": {
			secretsOf("{name: s, scope: [Client]}") + "resources: [{type: Client, id: a, secrets: {secret: s}, accessPolicy: {engine: allow, id: p}}, {type: Client, id: b, secrets: {secret: s}, accessPolicy: {engine: allow, id: p}}]\n",
			`resources[1].accessPolicy: has the same id as that of resources[0]; give each its own`,
		},
		"policy that is a list":    {resourceOf("type: Client, id: c, secrets: {secret: s}, accessPolicy: [allow]"), `resources[0].accessPolicy: must be allow, or the body of an AccessPolicy; such as {engine: allow}`},
		"policy without engine":    {resourceOf("type: Client, id: c, secrets: {secret: s}, accessPolicy: {matcho: {uri: /x}}"), `resources[0].accessPolicy.engine: is missing; such as matcho, or allow`},
		"policy of another type":   {resourceOf("type: Client, id: c, secrets: {secret: s}, accessPolicy: {engine: allow, resourceType: Role}"), `resources[0].accessPolicy.resourceType: must be AccessPolicy; remove it`},
		"policy's own id":          {resourceOf("type: Client, id: c, secrets: {secret: s}, accessPolicy: {engine: allow, id: a/b}"), `resources[0].accessPolicy.id: must be an id`},
		"policy's id is a number":  {resourceOf("type: Client, id: c, secrets: {secret: s}, accessPolicy: {engine: allow, id: 1}"), `resources[0].accessPolicy.id: is missing`},
		"body of another's policy": {secretsOf("{name: s, scope: [TokenIntrospector]}") + resourceOf("type: TokenIntrospector, id: c, secrets: {jwt.secret: s}, accessPolicy: {engine: allow}"), `resources[0].accessPolicy: is only for a Client`},
	})
}
