// Package ssm is the Parameter Store of AWS Systems Manager: String, StringList
// and SecureString parameters with versions, labels, paths and tags. The
// dispatcher calls it. SecureString values are sealed under the installation's
// keyring, bound to ARN and version.
//
// Refused: parameter policies, customer managed KMS keys, shared parameters,
// everything of Systems Manager that is not Parameter Store. AWS's public
// parameters (/aws/service/…) do not exist here and are not found.
package ssm
