"""The TiDB Cloud API of the sandbox: clusters, regions and SQL users of TiDB Cloud Starter and Essential.

One application answers for both of the real hosts, the cluster API and the IAM API; their paths do
not overlap. Paths, parameters and answers are those of the published Swagger files.

Each request counts once against the rate limit of its key, whether it is allowed or not. A request without a
key cannot be counted when it arrives; instead, its nonce is counted for the key that first uses it. So a
client that requests a challenge before each call pays two per call, and a client that reuses a challenge
pays only one more in total.
"""
