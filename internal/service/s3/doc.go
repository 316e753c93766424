// Package s3 is Amazon S3: buckets, objects with versions, multipart uploads, and
// the buckets' settings that clients and Terraform read back. Bytes lie in the blob
// store, each version naming the pieces it is made of; an object is one row with all
// its versions, newest first.
//
// What is stored and only read back: lifecycle, CORS, website, replication, logging
// and ownership settings, ACLs. Object lock, S3 Select and inventory are refused.
package s3
