package store

// DriverName is the CSI driver's, in volumes and as the name of its CSIDriver object.
const DriverName = "secrets-store.csi.k8s.io"

// Chart is the Helm chart that installs a provider of the CSI driver.
type Chart struct {
	Release, Namespace  string // of a new release; without a namespace the user chooses one
	Name, Repo, Version string
	Needs               []Parameter // values that a release is refused without
	Fresh               []Parameter // more values of a new release
	NeedsHint           string      // what to do about a release that is refused
	Alone               bool        // a cluster has room for one release of the chart
	KeepVersion         bool        // a release has more in it than is secretctl's to upgrade

	// Dev are the values of a chart that also brings a server for trying things out;
	// nil where there is none.
	Dev *Chart
}

// Job is how a Job in the cluster logs in to the store, as the provider does for the
// pod.
type Job struct {
	Token    bool   // it gets a token of the ServiceAccount
	Audience string // of the token; "" is the API server's own
	Env      []Parameter
	Args     []string // of secretctl
}
