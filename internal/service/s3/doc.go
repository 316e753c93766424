// Package s3 is Amazon S3: buckets, objects with versions, multipart uploads, and
// the buckets' settings that clients and Terraform read back. Bytes lie in the blob
// store, each version naming the pieces it is made of; an object is one row with all
// its versions, newest first.
//
// What is stored and only read back: lifecycle, CORS, website, replication, logging
// and ownership settings. Object lock, S3 Select and inventory are refused, and access
// control lists that give anything to others, as on buckets of AWS made since 2023.
package s3
