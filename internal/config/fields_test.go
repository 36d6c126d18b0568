package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatWorksAndMayNotBeMeantIsWarnedAbout(t *testing.T) {
	const begin = "secrets: [{name: s, scope: [AidboxTopicDestination]}]\nresources:\n  - {type: AidboxTopicDestination, id: c, secrets: {"
	for name, test := range map[string]struct {
		text string
		want []Warning
	}{
		"no verification": {"vault: {csiAddress: \"https://v\", csiSkipTLSVerify: true}\n", []Warning{{"vault.csiSkipTLSVerify", "has the CSI provider send the pod's token to whoever answers at vault.csiAddress", "give it the CA with vault.csiCACertPath instead"}}},
		"verification":    {"vault: {csiAddress: \"https://v\", csiSkipTLSVerify: false}\n", nil},
		"documented":      {begin + "parameter.header: s, parameter.awsAccessKeyId: s}}\n", nil},
		"not documented":  {begin + "parameter.databricksClientSecret: s}}\n", []Warning{{"resources[0].secrets.parameter.databricksClientSecret", "is not documented as a parameter that takes a secret", "secretctl verify client shows whether Aidbox keeps the reference"}}},
		"mistyped":        {begin + "parameter.headr: s}}\n", []Warning{{"resources[0].secrets.parameter.headr", "is not documented as a parameter that takes a secret", `did you mean "parameter.header"? secretctl verify client shows whether Aidbox keeps the reference`}}},
		"plain header":    {begin + "parameter.header: s}, body: {parameter: [{name: header, valueString: \"User-Agent: a\"}]}}\n", nil},
		"with credential": {begin + "parameter.header: s}, body: {parameter: [{name: header, valueString: \"authorization : Bearer hunter2\"}]}}\n", []Warning{{"resources[0].body.parameter", "has a header with a credential, which Aidbox stores and shows in plain text", "store the whole line, and name it under secrets: {parameter.header: SECRET}"}}},
	} {
		if diff := cmp.Diff(test.want, loadText(t, delivery(test.text)).Warnings()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestFieldsAreNumberedAsTheyAreRead(t *testing.T) {
	for path, want := range map[string]string{
		"jwt.keys.k": "jwt.keys[0].k", "jwt.keys[0].k": "jwt.keys[0].k", "jwt.keys[12].k": "jwt.keys[12].k", "jwt.secret": "jwt.secret",
		"jwt.keys[01].k": "", "jwt.keys[1]": "", "jwt.secret[1]": "",
	} {
		f, index, ok := Resource{Type: "TokenIntrospector"}.SecretField(path)
		if ok != (want != "") || ok && f.At(index) != want {
			t.Errorf("%s: %s, %t", path, f.At(index), ok)
		}
	}
	for path, want := range map[string]string{
		"parameter.header": "parameter.header", "parameter.header[0]": "parameter.header", "parameter.header[3]": "parameter.header[3]",
		"parameter.other": "parameter.other", "parameter.other[1]": "", "parameter.": "", "secret": "",
	} {
		f, index, ok := Resource{Type: "AidboxTopicDestination"}.SecretField(path)
		if ok != (want != "") || ok && f.At(index) != want {
			t.Errorf("%s: %s, %t", path, f.At(index), ok)
		}
	}
}

func TestOnlyTheLineForMSKMayStandInABody(t *testing.T) {
	parameter := func(name, value string) any { return map[string]any{"name": name, "valueString": value} }
	jaas := SecretField{Path: jaasField}
	for name, test := range map[string]struct {
		parameters []any
		want       bool
	}{
		"MSK":               {[]any{parameter("saslMechanism", "AWS_MSK_IAM")}, true},
		"another mechanism": {[]any{parameter("saslMechanism", "PLAIN")}, false},
		"another parameter": {[]any{parameter("other", "AWS_MSK_IAM")}, false},
		"none":              {nil, false},
	} {
		if got := (Resource{Type: topicDestination, Body: map[string]any{"parameter": test.parameters}}).MayHold(jaas); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
