package e2e

import (
	"fmt"
	"strings"
)

// store is how a plan reaches a bucket; its keys are in the environment.
func storeSection(endpoint, bucket string) string {
	return fmt.Sprintf(`  stores:
    main:
      s3:
        endpoint: %s
        region: us-east-1
        bucket: %s
        pathStyle: true
        credentials:
          accessKey: {from: {env: E2E_ACCESS_KEY}}
          secretKey: {from: {env: E2E_SECRET_KEY}}
`, endpoint, bucket)
}

// keysOf are the variables of storeSection.
func keysOf(access, secret string) []string {
	return []string{"E2E_ACCESS_KEY=" + access, "E2E_SECRET_KEY=" + secret}
}

// planText is a plan of steps in the lab's bucket. The steps are written as they stand below steps:, indented by four.
func (r *rig) planText(cluster, steps string) string {
	return planWith(cluster, storeSection(r.S3.Endpoint, r.S3.Bucket), steps)
}

func planWith(cluster, store, steps string) string {
	return "apiVersion: plan/v1\nkind: Plan\nmetadata: {name: e2e}\nspec:\n  cluster: " + cluster + "\n" + store +
		"  defaults:\n    retry: {attempts: 3, delay: 200ms, maxDelay: 1s}\n  steps:\n" + strings.TrimPrefix(steps, "\n")
}

const pvsStep = `
    - id: pvs
      uses: backup-pvs
      with: {prefix: %s}
`

const finallyPing = `  finally:
    - id: ping
      uses: notify
      with: {url: {from: {env: PING}}, suffix: "/${{ run.exitCode }}", status: "${{ run.outcome }}"}
`
