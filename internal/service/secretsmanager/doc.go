// Package secretsmanager is AWS Secrets Manager: secrets, their versions and
// staging labels. The dispatcher calls it. Values are sealed under the
// installation's keyring, bound to ARN and version, before they reach the
// database, and are never logged.
//
// Refused: rotation (it needs a Lambda function), replication, customer managed
// KMS keys, managed external secrets. LastAccessedDate is not kept: a read writes
// nothing here.
//
// Invariant: a staging label is on one version at a time; a secret with versions
// has exactly one AWSCURRENT.
package secretsmanager
