package vault_test

type step struct {
	request string // METHOD path [body]
	as      string // whose token; default root, "-" for none
	keep    string // keep the token in the answer under this name
}

// steps is a conversation; the answers of both servers have to be the same in
// status and in shape. TOKEN(ns/name,audience) is replaced by a ServiceAccount
// token, HOST by the address of the cluster that reviews it.
func steps() []step {
	var all []step
	add := func(as string, requests ...string) {
		for _, r := range requests {
			all = append(all, step{request: r, as: as})
		}
	}
	add("-", "GET sys/health", "GET sys/seal-status", "GET sys/leader", "GET sys/internal/ui/mounts", "GET sys/internal/ui/mounts/secret",
		"GET secret/data/a", "GET nowhere/a", "POST auth/nowhere/login {}", "POST auth/kubernetes/login {}")
	add("nobody", "GET secret/data/a", "GET auth/token/lookup-self")
	add("", kvSteps...)
	add("", kv1Steps...)
	add("", sysSteps...)
	add("", roleSteps...)
	all = append(all,
		step{request: `POST auth/token/create {"policies":["reader","none"],"ttl":"1h","meta":{"a":"b"},"display_name":"it"}`, keep: "reader"},
		step{request: `POST auth/token/create {"policies":["creator"],"ttl":"9999h","no_default_policy":true}`, keep: "creator"},
		step{request: `POST auth/token/create {"policies":["deputy"]}`, keep: "deputy"},
		step{request: `POST auth/token/create {}`, keep: "second root"},
		step{request: `POST auth/token/create {"explicit_max_ttl":"2h","no_parent":true,"renewable":false}`, keep: "third root"},
	)
	add("second root", "GET auth/token/lookup-self")
	add("third root", "GET auth/token/lookup-self")
	add("creator", creatorSteps...)
	add("reader", readerSteps...)
	add("deputy", deputySteps...)
	for _, login := range logins {
		all = append(all, step{request: "POST auth/kubernetes/login " + login, as: "-", keep: "pod"})
	}
	all = append(all, step{request: `POST auth/kubernetes/login {"role":"App","jwt":"TOKEN(default/app)"}`, as: "-", keep: "pod"})
	add("pod", "GET auth/token/lookup-self", "GET secret/data/shared/app", "GET secret/data/other", "POST auth/token/revoke-self", "GET auth/token/lookup-self")
	add("reader", "PUT sys/seal")
	add("", "PUT sys/seal")
	add("-", "GET sys/health", "GET sys/seal-status", "GET sys/leader", "PUT sys/seal", "PUT sys/unseal {}", `PUT sys/unseal {"key":"bogus"}`,
		`PUT sys/unseal {"key":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}`, `POST auth/kubernetes/login {}`, "GET sys/internal/ui/mounts")
	add("", "GET secret/data/a", "GET sys/mounts", "GET auth/token/lookup-self", "LIST secret/metadata")
	return all
}

var kvSteps = []string{
	"GET secret/data/none", "LIST secret/metadata", "GET secret/metadata?list=true", "GET secret/metadata/none",
	`PUT secret/data/a/b {"data":{"k":"v"},"options":{"cas":0}}`,
	`PUT secret/data/a/b {"data":{"k":"v"},"options":{"cas":0}}`,
	`POST secret/data/a/b {"data":{"k":"v2","n":1.5,"z":null,"m":{"l":[1,2]}}}`,
	`POST secret/data/a/b {"k":"v2"}`, `PUT secret/data/a/b {"data":"x"}`,
	`PUT secret/data/a/b {"data":{"k":"v"},"options":{"cas":"x"}}`, `PUT secret/data/a/b {"data":{"k":"v"},"options":{"cas":-1}}`,
	"GET secret/data/a/b", "GET secret/data/a/b?version=1", "GET secret/data/a/b?version=0", "GET secret/data/a/b?version=9",
	"GET secret/data/a/b?version=x", "GET secret/metadata/a/b", "LIST secret/metadata", "LIST secret/metadata/", "LIST secret/metadata/a",
	"LIST secret/metadata/a/b", "GET secret/metadata/a?list=true", "GET secret/metadata/a",
	"DELETE secret/data/a/b", "GET secret/data/a/b", "GET secret/metadata/a/b",
	`PUT secret/data/a/b {"data":{"k":"v"},"options":{"cas":0}}`,
	`POST secret/undelete/a/b {"versions":[2]}`, "GET secret/data/a/b", "GET secret/metadata/a/b", `PUT secret/destroy/a/b {"versions":[1]}`,
	"GET secret/data/a/b?version=1", `POST secret/delete/a/b {"versions":["2"]}`, "GET secret/metadata/a/b",
	`POST secret/data/a/b {"data":{"k":"v3"},"options":{"cas":2}}`, "GET secret/metadata/a/b",
	`POST secret/metadata/a/b {"custom_metadata":{"o":"x"},"max_versions":3}`, `POST secret/metadata/a/b {"cas_required":true}`,
	`PUT secret/data/a/b {"data":{"k":"v"}}`, `PUT secret/data/a/b {"data":{"k":"v"},"options":{"cas":"3"}}`, "GET secret/data/a/b",
	`PUT secret/data/a/b {"data":{},"options":{"cas":4}}`, "GET secret/data/a/b", "GET secret/metadata/a/b",
	`POST secret/metadata/a/b {"custom_metadata":"x"}`, `POST secret/metadata/a/b {"max_versions":"x"}`, `POST secret/metadata/none {}`,
	`POST secret/metadata/new {"custom_metadata":{"a":1}}`, "GET secret/metadata/new", "GET secret/data/new",
	`PUT secret/data/new {"data":{"k":"v"},"options":{"cas":0}}`, "GET secret/metadata/new",
	"DELETE secret/metadata/a/b", "GET secret/metadata/a/b", "DELETE secret/metadata/a/b", "DELETE secret/data/none",
	`POST secret/undelete/none {"versions":[2]}`, `POST secret/undelete/new {}`, "GET secret/undelete/new",
	"GET secret/config", `POST secret/config {"max_versions":2}`, "GET secret/config", `POST secret/data/few {"data":{}}`,
	`POST secret/data/few {"data":null}`, `POST secret/data/few {"data":{}}`, "GET secret/metadata/few", "GET secret/data/few?version=1",
	`POST secret/config {"max_versions":0}`, "DELETE secret/config",
	"GET secret/a/b", "LIST secret/a/b", "DELETE secret/a/b", `PUT secret/foo {"a":"b"}`, "GET secret/data", "LIST secret/data",
	"GET secret/data/tr/", `POST secret/data/tr/ {"data":{}}`, `POST secret/data/ {"data":{}}`, "GET secret/data/sp%20ace",
	`POST secret/data/sp%20ace {"data":{"a":"b"}}`, "GET secret/data/sp%20ace", "LIST secret/metadata", "GET secret/metadata", "GET secret", "LIST secret",
	`POST secret/data/x [1]`, `POST secret/data/x {"a":b}`,
}

var kv1Steps = []string{
	`POST sys/mounts/kv1 {"type":"kv"}`, `POST sys/mounts/deep/er {"type":"kv","options":{"version":"1"},"description":"d"}`,
	"GET kv1/a", `PUT kv1/a {"x":"y","n":1}`, "GET kv1/a", "LIST kv1", "LIST kv1/", "GET kv1?list=true", `PUT kv1/b/c {"x":"y"}`, "LIST kv1", "LIST kv1/b",
	"DELETE kv1/a", "GET kv1/a", "PUT kv1/a {}", "PUT kv1/a", "GET kv1/data/a", `PUT kv1/data/a {"data":{"a":"b"}}`, "GET kv1/data/a",
	`PUT deep/er/a {"x":"y"}`, "GET deep/er/a", "GET deep/a",
}

var sysSteps = []string{
	"GET sys/mounts", "GET sys/mounts/kv1", "GET sys/mounts/deep/er", "GET sys/mounts/none", `POST sys/mounts/kv1 {"type":"kv"}`,
	`POST sys/mounts/kv2 {"type":"kv","options":{"version":"2"}}`, "GET sys/mounts/kv2", `POST sys/mounts/kv3 {"type":"kv-v2"}`, "GET sys/mounts/kv3",
	"DELETE sys/mounts/kv3", "DELETE sys/mounts/kv3", `POST sys/mounts/z {"type":"none"}`, `POST sys/mounts/z {}`,
	`POST sys/mounts/z {"type":"kv","options":{"version":"3"}}`, `POST sys/mounts/secret/in {"type":"kv"}`,
	"GET sys/internal/ui/mounts", "GET sys/internal/ui/mounts/secret", "GET sys/internal/ui/mounts/secret/a/b", "GET sys/internal/ui/mounts/kv1/a",
	"GET sys/internal/ui/mounts/none", "GET sys/internal/ui/mounts/none/a", "GET sys/internal/ui/mounts/deep/er/a", "GET sys/internal/ui/mounts/sys",
	"LIST sys/policies/acl", "GET sys/policies/acl", "GET sys/policies/acl/none", "GET sys/policy/none",
	`PUT sys/policies/acl/reader {"policy":"path \"secret/data/shared/*\" { capabilities = [\"read\"] }\npath \"secret/metadata/*\" { capabilities = [\"list\"] }\npath \"secret/data/shared/closed\" { capabilities = [\"deny\"] }\npath \"secret/data/+/open\" { capabilities = [\"read\"] }"}`,
	"GET sys/policies/acl/reader", "GET sys/policy/reader", "GET sys/policy", "LIST sys/policy", "LIST sys/policies/acl",
	`PUT sys/policies/acl/creator {"policy":"path \"secret/data/made/*\" { capabilities = [\"create\"] }\npath \"kv1/*\" { capabilities = [\"update\"] }\npath \"auth/kubernetes/role/*\" { capabilities = [\"create\"] }\npath \"auth/kubernetes/config\" { capabilities = [\"create\"] }\npath \"sys/policies/acl/*\" { capabilities = [\"create\"] }\npath \"sys/auth\" { capabilities = [\"read\"] }\npath \"sys/auth/*\" { capabilities = [\"create\",\"update\",\"read\"] }"}`,
	`PUT sys/policies/acl/deputy {"policy":"path \"auth/token/create\" { capabilities = [\"update\"] }\npath \"sys/auth/*\" { capabilities = [\"read\",\"update\",\"sudo\"] }"}`,
	`PUT sys/policies/acl/bad {"policy":"path \"a\" { capabilities = [\"bogus\"] }"}`, `PUT sys/policies/acl/bad {"policy":"pth {"}`, `PUT sys/policies/acl/bad {}`,
	`PUT sys/policies/acl/bad {"policy":"pat \"x\" {capabilities=[\"read\"]}"}`, `PUT sys/policies/acl/bad {"policy":"path \"x\" {capabilities=[\"read\"]\n bogus=1 }"}`,
	`PUT sys/policies/acl/bad {"policy":"path \"x/+*\" {capabilities=[\"read\"]}"}`, `PUT sys/policies/acl/bad {"policy":"path \"x\" {capabilities=\"read\"}"}`,
	`PUT sys/policies/acl/json {"policy":"{\"path\":{\"secret/*\":{\"capabilities\":[\"read\"]}}}"}`, "GET sys/policies/acl/json",
	`PUT sys/policies/acl/UPPER {"policy":"path \"/x\" {capabilities=[\"read\",\"deny\"]}"}`, "GET sys/policies/acl/UPPER", "DELETE sys/policies/acl/UPPER",
	`PUT sys/policies/acl/root {"policy":"path \"x\" {capabilities=[\"read\"]}"}`, "GET sys/policies/acl/root", "DELETE sys/policies/acl/root",
	"DELETE sys/policies/acl/default", "DELETE sys/policies/acl/none", "GET sys/none", "DELETE sys/policies/acl",
	`POST sys/capabilities-self {"paths":["secret/data/x","sys/mounts"]}`, `POST sys/capabilities-self {"path":"x"}`, `POST sys/capabilities-self {}`,
	"GET auth/token/lookup-self", "PUT auth/token/lookup-self {}", "GET auth/token/none", `POST auth/token/create {"ttl":"bogus"}`,
	"GET sys/auth", "GET sys/auth/kubernetes", `POST sys/auth/kubernetes {"type":"kubernetes"}`, `POST sys/auth/kubernetes {"type":"kubernetes"}`,
	"GET sys/auth/kubernetes", "GET sys/auth", `POST sys/auth/z {"type":"none"}`, "DELETE sys/auth/none",
	`POST sys/auth/k8s {"type":"kubernetes","description":"other"}`, "GET sys/auth/k8s", "GET sys/internal/ui/mounts/auth/k8s", "DELETE sys/auth/k8s",
	"GET auth/k8s/config",
}

var roleSteps = []string{
	"GET auth/kubernetes/config", "POST auth/kubernetes/config {}", "GET auth/kubernetes/none", "GET auth/kubernetes/login",
	`POST auth/kubernetes/role/early {"bound_service_account_names":"a","bound_service_account_namespaces":"b","audience":"x"}`,
	`POST auth/kubernetes/login {"role":"early","jwt":"a.b.c"}`, "DELETE auth/kubernetes/role/early",
	`POST auth/kubernetes/config {"kubernetes_host":"HOST","token_reviewer_jwt":"TOKEN(vault/vault)","disable_local_ca_jwt":true,"issuer":"x","pem_keys":[]}`,
	"GET auth/kubernetes/config", `POST auth/kubernetes/config {"kubernetes_host":"HOST","kubernetes_ca_cert":"none","disable_local_ca_jwt":true}`,
	`POST auth/kubernetes/config {"kubernetes_host":"HOST","disable_local_ca_jwt":true}`, "GET auth/kubernetes/config", "DELETE auth/kubernetes/config",
	"LIST auth/kubernetes/role", "GET auth/kubernetes/role/x", "POST auth/kubernetes/role/x {}", `POST auth/kubernetes/role/x {"bound_service_account_names":"a"}`,
	`POST auth/kubernetes/role/x {"bound_service_account_names":"a, b","bound_service_account_namespaces":["default"]}`, "GET auth/kubernetes/role/x",
	`POST auth/kubernetes/role/X {"policies":"p1, P2","ttl":"1h"}`, "GET auth/kubernetes/role/x",
	`POST auth/kubernetes/role/x {"token_policies":["p3"],"token_ttl":60,"audience":"vault","token_max_ttl":"2h"}`, "GET auth/kubernetes/role/x",
	`POST auth/kubernetes/role/x {"ttl":"3h"}`, `POST auth/kubernetes/role/x {"token_ttl":"3h"}`, `POST auth/kubernetes/role/x {"ttl":"1h","max_ttl":"2h","policies":["a"],"num_uses":3,"period":"1h"}`,
	"GET auth/kubernetes/role/x", `POST auth/kubernetes/role/x {"bound_service_account_names":["*","a"]}`, `POST auth/kubernetes/role/x {"bound_service_account_names":[]}`,
	`POST auth/kubernetes/role/x {"ttl":"bogus"}`, `POST auth/kubernetes/role/x {"alias_name_source":"bogus"}`, `POST auth/kubernetes/role/x {"alias_name_source":"serviceaccount_name"}`,
	`POST auth/kubernetes/role/x {"token_type":"bogus"}`, `POST auth/kubernetes/role/x {"policies":[],"ttl":0,"token_no_default_policy":true}`, "GET auth/kubernetes/role/x",
	"LIST auth/kubernetes/role", "DELETE auth/kubernetes/role/X", "DELETE auth/kubernetes/role/x", "GET auth/kubernetes/role",
	`POST auth/kubernetes/role/app {"bound_service_account_names":["app"],"bound_service_account_namespaces":["default"],"policies":["reader"],"ttl":"1h"}`,
	`POST auth/kubernetes/role/strict {"bound_service_account_names":["app"],"bound_service_account_namespaces":["default"],"token_policies":["reader"],"audience":"vault","token_max_ttl":"30m"}`,
	`POST auth/kubernetes/role/glob {"bound_service_account_names":["ap*"],"bound_service_account_namespaces":["*"],"token_policies":["none"],"token_no_default_policy":true}`,
	`POST secret/data/shared/app {"data":{"a":"b"}}`, `POST secret/data/shared/closed {"data":{"a":"b"}}`, `POST secret/data/other {"data":{"a":"b"}}`,
}

var creatorSteps = []string{
	"GET auth/token/lookup-self", `PUT secret/data/made/a {"data":{}}`, `PUT secret/data/made/a {"data":{}}`, `PUT kv1/new {"a":"b"}`, `PUT kv1/b/c {"a":"b"}`,
	`POST auth/kubernetes/role/new {"bound_service_account_names":"a","bound_service_account_namespaces":"b","audience":"x"}`,
	`POST auth/kubernetes/role/new {"bound_service_account_names":"a"}`, `POST auth/kubernetes/config {"kubernetes_host":"x"}`,
	`PUT sys/policies/acl/another {"policy":"path \"x\" {capabilities=[\"read\"]}"}`, "GET sys/auth", "GET sys/auth/kubernetes", `POST sys/auth/other {"type":"kubernetes"}`,
}

var readerSteps = []string{
	"GET auth/token/lookup-self", "GET secret/data/shared/app", "GET secret/data/shared/none", "GET secret/data/shared/closed", "GET secret/data/closed/open", "GET secret/data/other",
	`PUT secret/data/shared/app {"data":{}}`, "GET secret/metadata/shared/app", "LIST secret/metadata", "LIST secret/metadata/shared", "GET secret/data/shared",
	"GET sys/mounts", "GET sys/internal/ui/mounts", "GET sys/internal/ui/mounts/secret", "GET sys/internal/ui/mounts/secret/other", "GET sys/internal/ui/mounts/kv1",
	"GET sys/internal/ui/mounts/auth/kubernetes", "GET sys/none", "GET nowhere/x", "GET sys/policies/acl/reader", "GET auth/kubernetes/role/app", "POST auth/token/create {}",
	`POST sys/capabilities-self {"paths":["secret/data/shared/app","secret/data/shared/closed","secret/data/x/open","sys/mounts","secret/metadata/x"]}`,
}

var deputySteps = []string{
	`POST auth/token/create {"policies":["reader"]}`, `POST auth/token/create {"policies":["deputy"],"ttl":60}`, `POST auth/token/create {"no_parent":true}`,
	"GET sys/auth/kubernetes", "GET sys/auth", `POST sys/auth/made {"type":"kubernetes"}`,
}

var logins = []string{
	`{}`, `{"role":"app"}`, `{"role":"none","jwt":"TOKEN(default/app)"}`, `{"role":"app","jwt":"a.b.c"}`, `{"role":"app","jwt":"abc"}`,
	`{"role":"app","jwt":"TOKEN(default/other)"}`, `{"role":"app","jwt":"TOKEN(other/app)"}`, `{"role":"strict","jwt":"TOKEN(default/app)"}`,
	`{"role":"strict","jwt":"TOKEN(default/app,vault)"}`, `{"role":"app","jwt":"TOKEN(default/app,vault)"}`, `{"role":"glob","jwt":"TOKEN(other/apple)"}`,
	`{"role":"app","jwt":"FORGED(default/app)"}`, `{"role":"app","jwt":"TOKEN(default/app)"}`,
}
