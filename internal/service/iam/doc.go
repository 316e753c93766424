// Package iam is AWS IAM: users, groups, roles, policies, instance profiles,
// access keys and service-specific credentials, as records of identity, which
// decides by them. The dispatcher calls it; it calls nobody but the Guard.
//
// Done: all operations in routes.go, with AWS's quotas on document sizes,
// versions and attachments. Refused: console passwords, MFA, SAML, OpenID
// Connect providers, server certificates, access advisor, organisations.
//
// Invariants: names are unique by account whatever their case; a document is
// stored only if it parses; nothing is deleted while something else names it.
package iam
