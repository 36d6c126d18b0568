package store

// DriverName is the CSI driver's, in volumes and as the name of its CSIDriver object.
const DriverName = "secrets-store.csi.k8s.io"

// Chart is the Helm chart that installs a provider of the CSI driver.
type Chart struct {
	Release, Namespace  string // of a new release; without a namespace, the user chooses one
	Name, Repo, Version string
	Needs               []Parameter // values that every release must have
	Fresh               []Parameter // more values of a new release
	NeedsHint           string      // what to do about an existing release without these values
	Alone               bool        // a cluster can have only one release of the chart
	KeepVersion         bool        // secretctl does not upgrade a release, since it has more in it

	// Dev has the values with which the chart also installs a dev server; nil if it has none.
	Dev *Chart
}

// Job is how a Job in the cluster logs in to the store.
type Job struct {
	Token    bool   // the Job needs a token of its ServiceAccount
	Audience string // of the token; "" for the API server's own
	Env      []Parameter
	Args     []string // of secretctl
}
