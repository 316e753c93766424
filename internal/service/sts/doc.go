// Package sts is AWS STS: who the caller is, and temporary credentials for a
// role or for the caller itself. Credentials are minted, never stored: identity
// seals their claims into the token. Refused: web identity and SAML federation,
// DecodeAuthorizationMessage (our refusals are plain text).
package sts
