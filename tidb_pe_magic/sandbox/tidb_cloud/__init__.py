"""The TiDB Cloud API of the sandbox: clusters, regions and SQL users of TiDB Cloud Starter and Essential.

One application answers for both of the real hosts, the cluster API and the IAM API; their paths do
not overlap. Paths, parameters and answers are those of the published Swagger files.

What a request costs: one, of the limit of the key that it names, whether it is allowed or not. A
request without a key cannot be charged when it arrives; the nonce that it is given is charged to
the key that first uses it. A client that has itself challenged before each call so pays two for
each, and one that goes on with the same challenge pays a single one more.
"""
