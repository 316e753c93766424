package identity

import (
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/store"
)

// Account is one AWS account of this installation.
type Account struct {
	ID, Name string
	RootKey  string // access key id of the root user
	Created  time.Time
}

// Principal is what users, groups and roles have in common.
type Principal struct {
	Name, Path, ID string
	Account        string
	Created        time.Time
	Inline         map[string]string // name → document
	Attached       []string          // ARNs of managed policies
	Boundary       string            // ARN of a managed policy
	Tags           map[string]string
}

// User is an IAM user.
type User struct {
	Principal
	Groups []string
}

// ARN of the user.
func (u User) ARN() string { return arn.New("iam", "", u.Account, "user"+u.Path+u.Name) }

// Group is an IAM group; its members name it.
type Group struct{ Principal }

// ARN of the group.
func (g Group) ARN() string { return arn.New("iam", "", g.Account, "group"+g.Path+g.Name) }

// Role is an IAM role.
type Role struct {
	Principal
	Trust       string
	Description string
	MaxSession  int // seconds
	// LinkedTo is the service that owns a service-linked role.
	LinkedTo string
}

// ARN of the role.
func (r Role) ARN() string { return arn.New("iam", "", r.Account, "role"+r.Path+r.Name) }

// Policy is a customer managed policy.
type Policy struct {
	Name, Path, ID, Account, Description string
	Versions                             []PolicyVersion // oldest first
	Default                              string
	Next                                 int // number of the next version
	Created, Updated                     time.Time
	Tags                                 map[string]string
}

// PolicyVersion is one of up to five documents of a Policy.
type PolicyVersion struct {
	ID, Document string
	Created      time.Time
}

// ARN of the policy.
func (p Policy) ARN() string { return arn.New("iam", "", p.Account, "policy"+p.Path+p.Name) }

// Document is the default version's text.
func (p Policy) Document() string {
	for _, v := range p.Versions {
		if v.ID == p.Default {
			return v.Document
		}
	}
	return ""
}

// InstanceProfile carries at most one role to an instance.
type InstanceProfile struct {
	Name, Path, ID, Account, Role string
	Created                       time.Time
	Tags                          map[string]string
}

// ARN of the instance profile.
func (p InstanceProfile) ARN() string {
	return arn.New("iam", "", p.Account, "instance-profile"+p.Path+p.Name)
}

// AccessKey is a long-lived key of a user, or of the root where User is "".
type AccessKey struct {
	ID, Account, User string
	Sealed            []byte // the secret, under the keyring, AAD = ID
	Active            bool
	Created           time.Time
}

// ServiceCredential is a user's name and password for a service that has no
// signatures, as Git over HTTPS.
type ServiceCredential struct {
	ID, Account, User, Service, Name string // Name is what logs in: alice-at-100000000001
	Sealed                           []byte // AAD = ID
	Active                           bool
	Created                          time.Time
}

// Records are identity's collections. The iam service is their only writer,
// but for accounts and root keys.
type Records struct {
	Accounts           store.Collection[Account]
	Users              store.Collection[User]
	Groups             store.Collection[Group]
	Roles              store.Collection[Role]
	Policies           store.Collection[Policy]
	Profiles           store.Collection[InstanceProfile]
	AccessKeys         store.Collection[AccessKey]
	ServiceCredentials store.Collection[ServiceCredential]
}

// NewRecords declares the collections.
func NewRecords() Records {
	return Records{
		Accounts: store.Define(store.Schema[Account]{Table: "identity_accounts"}),
		Users:    store.Define(store.Schema[User]{Table: "iam_users"}),
		Groups:   store.Define(store.Schema[Group]{Table: "iam_groups"}),
		Roles:    store.Define(store.Schema[Role]{Table: "iam_roles"}),
		Policies: store.Define(store.Schema[Policy]{Table: "iam_policies"}),
		Profiles: store.Define(store.Schema[InstanceProfile]{Table: "iam_instance_profiles", Index: map[string]func(InstanceProfile) string{
			"role": func(p InstanceProfile) string { return Key(p.Role) },
		}}),
		AccessKeys: store.Define(store.Schema[AccessKey]{Table: "iam_access_keys", Index: map[string]func(AccessKey) string{
			"owner": func(k AccessKey) string { return KeyOwner(k.Account, k.User) },
		}}),
		ServiceCredentials: store.Define(store.Schema[ServiceCredential]{Table: "iam_service_credentials", Index: map[string]func(ServiceCredential) string{
			"owner": func(c ServiceCredential) string { return KeyOwner(c.Account, c.User) },
		}}),
	}
}

// Tables are the collections, for migration at start.
func (r Records) Tables() []store.Table {
	return []store.Table{r.Accounts, r.Users, r.Groups, r.Roles, r.Policies, r.Profiles, r.AccessKeys, r.ServiceCredentials}
}

// Everywhere is the scope of what is looked up before the account is known.
var Everywhere = store.Scope{Account: "all", Region: "global"}

// In is the scope of an account's IAM records: IAM has no regions.
func In(account string) store.Scope { return store.Scope{Account: account, Region: "global"} }

// Key is the key of a named record: names differ by more than case.
func Key(name string) string { return strings.ToLower(name) }

// KeyOwner is the index value of a user's keys and service credentials.
func KeyOwner(account, user string) string { return account + "/" + strings.ToLower(user) + "/" }
