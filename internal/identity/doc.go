// Package identity knows who asks and what they may: accounts, access keys,
// sealed session tokens, the keyring, container credential tickets and the
// decision over IAM policies. dispatch asks it before every operation, wire for
// every signature; the iam and sts services write and read its Records. It
// never calls a service and sends nothing over a network.
//
// Temporary credentials have no rows. A session token holds its own claims,
// encrypted under the keyring, and the secret is derived from the access key id:
// any server that has the keyring verifies them. They end by expiry, by the
// end of their role or user (the token carries its unique id), or by a policy on
// aws:TokenIssueTime, as on AWS.
package identity
