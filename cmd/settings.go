package cmd

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

const defaultConfig = "secretctl.yaml"

// settings are the global flags.
type settings struct {
	config, delivery                 string
	vaultAddr, vaultLogin, aidboxURL string
	kubeconfig, kubeContext          string
	timeout, requestTimeout          time.Duration
	allowHTTP, noColor               bool
	verbose, quiet                   bool

	origin map[string]string // what set a flag: "--vault-addr", "VAULT_ADDR"
}

func (s *settings) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&s.config, "config", "c", defaultConfig, "config file, or a folder of them")
	flags.StringVar(&s.delivery, "delivery", "", "act on this delivery only")
	flags.StringVar(&s.vaultAddr, "vault-addr", "", "address of Vault (default: vault.address of the config)")
	flags.StringVar(&s.vaultLogin, "vault-login", "", "log in to Vault with `METHOD/ROLE` and the token in "+idTokenVariable)
	flags.StringVar(&s.aidboxURL, "aidbox-url", "", "address of Aidbox (default: aidbox.url of the config)")
	flags.StringVar(&s.kubeconfig, "kubeconfig", "", "kubeconfig file (default: KUBECONFIG, ~/.kube/config, or the pod's own access)")
	flags.StringVar(&s.kubeContext, "context", "", "context of the kubeconfig (default: context of the config, else the current one)")
	flags.DurationVar(&s.timeout, "timeout", 10*time.Minute, "abort after this duration, with exit code 124")
	flags.DurationVar(&s.requestTimeout, "request-timeout", transport.RequestTimeout, "give up on a single request to Kubernetes, the store or Aidbox after this duration")
	flags.BoolVar(&s.allowHTTP, "allow-http", false, "allow plain http to other hosts, on a trusted network")
	flags.BoolVarP(&s.verbose, "verbose", "v", false, "log each request to stderr: method, URL, status, duration")
	flags.BoolVarP(&s.quiet, "quiet", "q", false, "no notes, summary and progress on stderr")
	flags.BoolVar(&s.noColor, "no-color", false, "no colour")
}

// variables returns the environment variables of a global flag; the first one that is
// set wins. The flags of a single command have none: a variable that was set for another
// purpose must not turn a check into a write, or print a secret.
func variables(flag string) []string {
	own := "SECRETCTL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	if flag == "vault-addr" {
		return []string{own, "VAULT_ADDR"}
	}
	return []string{own}
}

// fromEnvironment sets each global flag that is not on the command line from its
// environment variable, and records where its value comes from.
func (a *app) fromEnvironment(cmd *cobra.Command, _ []string) error {
	a.origin = map[string]string{}
	global := cmd.Root().PersistentFlags()
	environment := map[string]any{}
	global.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			a.origin[f.Name] = "--" + f.Name
			return
		}
		for _, name := range slices.Backward(variables(f.Name)) {
			if value, set := a.LookupEnv(name); set && value != "" {
				environment[f.Name], a.origin[f.Name] = value, name
			}
		}
	})
	v := viper.New()
	if err := errors.Join(v.BindPFlags(global), v.MergeConfigMap(environment)); err != nil {
		return err
	}
	for flag := range environment {
		if err := cmd.Flags().Set(flag, v.GetString(flag)); err != nil {
			return invalidValue(a.origin[flag], global.Lookup(flag))
		}
	}
	return nil
}

// requestLimit returns --request-timeout if it was set. 0 leaves it to each client, since
// Vault has a variable of its own.
func (s settings) requestLimit() time.Duration {
	if s.origin["request-timeout"] == "" {
		return 0
	}
	return s.requestTimeout
}

// invalidValue says what a setting must be. It does not quote the value, which may have
// been meant for something else.
func invalidValue(setting string, f *pflag.Flag) error {
	want := map[string]string{
		"duration": "a duration such as 90s or 10m", "bool": "true or false", "int": "a whole number", "int32": "a whole number",
	}[f.Value.Type()]
	example := map[string]string{"duration": "90s", "bool": "true"}[f.Value.Type()]
	separator := " "
	if !strings.HasPrefix(setting, "--") || example == "true" { // a variable, or a flag that needs no value
		separator = "="
	}
	return hint.Usage("for example "+setting+separator+cmp.Or(example, f.DefValue), "%s must be %s", setting, cmp.Or(want, "of type "+f.Value.Type()))
}

// deliveries returns the deliveries that the command works on.
func (a *app) deliveries() ([]*config.Delivery, error) {
	all, err := a.load()
	a.several = len(all) > 1
	for _, d := range all {
		if warnings := a.provider(d).Environment; warnings != nil {
			for _, warning := range warnings(d, a.LookupEnv) {
				a.narrate("warning: %s%s", a.of(d), warning)
			}
		}
		for _, w := range d.Warnings() {
			a.narrate("warning: %s%s %s; %s", a.of(d), w.Path, w.Message, w.Hint)
		}
	}
	return all, err
}

// learn teaches the sanitizer the values that are in the environment, and hides them from
// child processes. A command such as render does not read them, but might print a copy of one.
func (a *app) learn(d *config.Delivery) {
	sources := []secret.Source{d.Aidbox.Admin.Secret}
	for _, s := range d.Secrets {
		sources = append(sources, s.Value)
	}
	for _, s := range sources {
		if s.Env != "" {
			value, _ := a.secretVariable(s.Env)
			a.sanitizer.Learn(secret.New([]byte(value)))
		}
	}
}

// load reads the config file and applies the settings that override it.
func (a *app) load() ([]*config.Delivery, error) {
	if a.config == "" {
		return nil, hint.Usage("leave it out for "+defaultConfig+", or name a file or folder", "-c names no file")
	}
	all, err := config.Load(a.config)
	if err != nil {
		return nil, err
	}
	for _, d := range all { // also those that --delivery leaves out
		a.learn(d)
	}
	if a.delivery != "" {
		i := slices.IndexFunc(all, func(d *config.Delivery) bool { return d.Name == a.delivery })
		if i < 0 {
			return nil, hint.Usage("available: "+names(all), "%s has no delivery %q", a.config, a.delivery)
		}
		all = all[i : i+1]
	}
	for _, d := range all {
		a.override(d)
	}
	return all, nil
}

// override applies the settings to a delivery, and records where the values come from.
func (s settings) override(d *config.Delivery) {
	if s.vaultAddr != "" && d.Vault != nil {
		d.Vault.Address, d.From["vault.address"] = s.vaultAddr, s.origin["vault-addr"]
	}
	if s.aidboxURL != "" {
		d.Aidbox.URL, d.From["aidbox.url"] = s.aidboxURL, s.origin["aidbox-url"]
	}
	if s.kubeContext != "" {
		d.Context, d.From["context"] = s.kubeContext, s.origin["context"]
	}
}

// oneDelivery returns the delivery that has the secret.
func oneDelivery(all []*config.Delivery, secretName string) (*config.Delivery, error) {
	found := slices.DeleteFunc(slices.Clone(all), func(d *config.Delivery) bool { _, has := d.Secret(secretName); return !has })
	switch len(found) {
	case 0:
		return nil, hint.Usage("available: "+strings.Join(secretNames(all), ", "), "no secret %q in the config", secretName)
	case 1:
		return found[0], nil
	}
	return nil, hint.Usage("name one with --delivery: "+names(found), "secret %q is in %d deliveries", secretName, len(found))
}

func secretNames(deliveries []*config.Delivery) (names []string) {
	for _, d := range deliveries {
		for _, s := range d.Secrets {
			names = append(names, s.Name)
		}
	}
	return names
}

func deliveryNames(deliveries []*config.Delivery) (names []string) {
	for _, d := range deliveries {
		names = append(names, d.Name)
	}
	return names
}

func names(deliveries []*config.Delivery) string {
	return strings.Join(deliveryNames(deliveries), ", ")
}
