-- SPDX-License-Identifier: Apache-2.0
-- wrk's own counts as one line of JSON: its words for people round them.

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '{"duration_us": %d, "answers": %d, "connect": %d, "read": %d, "write": %d, '
            .. '"status": %d, "timeout": %d, "p50_us": %d, "p99_us": %d, "max_us": %d}\n',
        summary.duration, summary.requests, errors.connect, errors.read, errors.write,
        errors.status, errors.timeout,
        latency:percentile(50), latency:percentile(99), latency.max))
end
