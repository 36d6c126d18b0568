package secret

import "testing"

// What a value has in common with many others, such as the first line of a key, does not
// make a text repeat it.
func TestTheFormOfAValueDoesNotCount(t *testing.T) {
	pem := func(kind string) string {
		return "-----BEGIN " + kind + "-----\nVbX2x0Zq8tPp3wLmNNa\n-----END " + kind + "-----\n"
	}
	texts := append([]string{
		"-----BEGIN CERTIFICATE----- expected",
		`failed to parse "-----BEGIN RSA PRIVATE KEY-----": missing -----END RSA PRIVATE KEY-----`,
		"cannot read -----BEGIN EC PRIVATE KEY-----",
		"caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==",
		"dial tcp: lookup vault.default.svc.cluster.local on 10.96.0.10:53: no such host",
		"dial tcp: lookup kafka.aidbox.svc.cluster.local: no such host",
		"invalid value org.apache.kafka.common.security.plain.PlainLoginModule for configuration sasl.jaas.config",
		"amqps://rabbitmq.other.svc.cluster.local: connection refused",
		"dial tcp: lookup other.servicebus.windows.net: no such host",
	}, ordinaryTexts...)
	for _, value := range []string{
		pem("PRIVATE KEY"), pem("RSA PRIVATE KEY"), pem("CERTIFICATE"), pem("EC PRIVATE KEY") + pem("CERTIFICATE"),
		"postgresql://aidbox:x0Zq8tPp@db.default.svc.cluster.local/aidbox",
		"amqps://aidbox:x0Zq8tPp@rabbitmq.aidbox.svc.cluster.local",
		"Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=x0Zq8tPp",
		`org.apache.kafka.common.security.plain.PlainLoginModule required username="aidbox" password="x0Zq8tPp";`,
	} {
		s := knowing(value)
		if !s.Repeats("bad x0Zq8tPp") {
			t.Errorf("%q: its own characters pass", value)
		}
		for _, text := range texts {
			if s.Repeats(text) {
				t.Errorf("%q withholds: %s", value, text)
			}
		}
	}
}

// Read backwards, ordinary words are not ordinary any more.
func TestWordsOfAValueAreWithheldBackwards(t *testing.T) {
	var s Sanitizer
	s.Learn(New([]byte("password-mounted-Qz7vKx2mWp")))
	if !s.Repeats("the server said detnuom-drowssap") {
		t.Error("not withheld")
	}
	if s.Repeats("the password is mounted") {
		t.Error("ordinary words are withheld")
	}
}
