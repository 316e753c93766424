package rds

import (
	"regexp"
	"strings"

	api "github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/internal/op"
)

const (
	minStorage, maxStorage   = 20, 65536
	minPassword, maxPassword = 8, 128
	minPort, maxPort         = 1150, 65535
	// newestVersion is PostgreSQL's in the image.
	newestVersion = "15.20"
	parameters    = "default.postgres15"
	options       = "default:postgres-15"
)

var (
	identifierForm = regexp.MustCompile(`^[a-z](-?[a-z0-9])*$`)
	versionForm    = regexp.MustCompile(`^15(\.[0-9]{1,2})?$`)
	userForm       = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]{0,62}$`)
	databaseForm   = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,62}$`)
	windowForm     = regexp.MustCompile(`^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$`)
	reserved       = map[string]bool{"admin": true, "rdsadmin": true, "public": true, "user": true, "none": true, "rdsrepladmin": true, "rds_superuser": true}
	templates      = map[string]bool{"template0": true, "template1": true, "rdsadmin": true}
)

// engineVersion is what an asked version comes to: a minor one is taken at its word,
// and served by the image's.
func engineVersion(asked string) string {
	if asked == "" || asked == "15" {
		return newestVersion
	}
	return asked
}

func checkCreate(in *api.CreateDBInstanceInput) error {
	if err := checkEngine(*in.Engine, op.Val(in.EngineVersion)); err != nil {
		return err
	}
	id := *in.DBInstanceIdentifier
	if len(id) > 63 || !identifierForm.MatchString(strings.ToLower(id)) {
		return invalid("The parameter DBInstanceIdentifier is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.")
	}
	if err := checkClass(*in.DBInstanceClass); err != nil {
		return err
	}
	if err := checkRefused(in); err != nil {
		return err
	}
	user := op.Val(in.MasterUsername)
	if user == "" {
		return invalid("The parameter MasterUsername must be provided and must not be blank.")
	}
	if !userForm.MatchString(user) || strings.HasPrefix(strings.ToLower(user), "pg_") {
		return invalid("The parameter MasterUsername is not a valid identifier because it contains invalid characters. It must begin with a letter and contain only alphanumeric characters and underscores.")
	}
	if reserved[strings.ToLower(user)] {
		return invalid("MasterUsername %s cannot be used as it is a reserved word used by the engine", user)
	}
	if err := checkPasswordChoice(in); err != nil {
		return err
	}
	if name := op.Val(in.DBName); name != "" && (!databaseForm.MatchString(name) || templates[strings.ToLower(name)]) {
		return invalid("DBName must begin with a letter and contain only alphanumeric characters.")
	}
	if err := checkStorage(op.Or(in.AllocatedStorage, minStorage), op.Or(in.StorageType, "gp3")); err != nil {
		return err
	}
	return checkSettings(in.Port, in.BackupRetentionPeriod, in.DBParameterGroupName, in.OptionGroupName, in.PreferredBackupWindow)
}

func checkEngine(engine, version string) error {
	switch {
	case engine != "postgres":
		return invalid("Invalid DB engine: %s. Only postgres is served by this installation.", engine)
	case version != "" && !versionForm.MatchString(version):
		return combination("Cannot find version %s for postgres. Only PostgreSQL 15 is served by this installation.", version)
	}
	return nil
}

func checkClass(class string) error {
	if !strings.HasPrefix(class, "db.") || strings.Count(class, ".") != 2 {
		return invalid("Invalid DB Instance class: %s", class)
	}
	return nil
}

// checkRefused refuses what would not be kept.
func checkRefused(in *api.CreateDBInstanceInput) error {
	for what, given := range map[string]bool{
		"DBClusterIdentifier": in.DBClusterIdentifier != nil, "DBSecurityGroups": len(in.DBSecurityGroups) > 0, "Domain": in.Domain != nil || in.DomainFqdn != nil,
		"TdeCredentialArn": in.TdeCredentialArn != nil, "MasterUserSecretKmsKeyId": in.MasterUserSecretKmsKeyId != nil,
		"CustomIamInstanceProfile": in.CustomIamInstanceProfile != nil, "AdditionalStorageVolumes": len(in.AdditionalStorageVolumes) > 0,
		"NetworkType DUAL":                         in.NetworkType != nil && *in.NetworkType != "IPV4",
		"MasterUserAuthenticationType iam-db-auth": in.MasterUserAuthenticationType != nil && *in.MasterUserAuthenticationType != "password",
	} {
		if given {
			return combination("%s is not offered by this installation: leave it out.", what)
		}
	}
	return nil
}

func checkPasswordChoice(in *api.CreateDBInstanceInput) error {
	managed := op.Val(in.ManageMasterUserPassword)
	switch {
	case managed && in.MasterUserPassword != nil:
		return combination("You can't specify MasterUserPassword when ManageMasterUserPassword is enabled.")
	case managed:
		return nil
	case in.MasterUserPassword == nil:
		return invalid("The parameter MasterUserPassword must be provided and must not be blank.")
	}
	return checkPassword(*in.MasterUserPassword)
}

func checkPassword(p string) error {
	switch {
	case len(p) < minPassword:
		return invalid("The parameter MasterUserPassword is not a valid password because it is shorter than %d characters.", minPassword)
	case len(p) > maxPassword:
		return invalid("The parameter MasterUserPassword is not a valid password because it is longer than %d characters.", maxPassword)
	}
	for _, r := range p {
		if r <= ' ' || r > '~' || strings.ContainsRune(`/@"`, r) {
			return invalid(`The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides '/', '@', '"', ' ' may be used.`)
		}
	}
	return nil
}

func checkStorage(size int32, kind string) error {
	switch kind {
	case "gp2", "gp3", "io1", "io2", "standard":
	default:
		return invalid("Invalid storage type: %s", kind)
	}
	if size < minStorage || size > maxStorage {
		return invalid("Invalid storage size for engine name postgres and storage type %s: %d", kind, size)
	}
	return nil
}

func checkSettings(port, retention *int32, parameterGroup, optionGroup, window *string) error {
	if p := op.Or(port, defaultPort); p < minPort || p > maxPort {
		return invalid("Invalid port: %d. It must be between %d and %d.", p, minPort, maxPort)
	}
	if r := op.Val(retention); r < 0 || r > 35 {
		return invalid("Invalid backup retention period: %d. Retention period must be between 0 and 35", r)
	}
	if g := op.Or(parameterGroup, parameters); g != parameters {
		return api.DBParameterGroupNotFoundFault("DBParameterGroup not found: %s", g)
	}
	if g := op.Or(optionGroup, options); g != options {
		return api.OptionGroupNotFoundFault("Specified OptionGroupName: %s not found.", g)
	}
	if w := op.Val(window); w != "" && !windowForm.MatchString(w) {
		return invalid("Invalid backup window format: %s. Should be specified as a range hh24:mi-hh24:mi (24H Clock UTC). Example: 04:00-04:30", w)
	}
	return nil
}
