// Lends with the types that openapi-typescript makes of the contract: ADDRESS of the service, ADDRESS of a gateway that
// is out of order.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./openapi.ts";

const [address, outOfOrder] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: address });
const application = { loan_amount: 100000, interest_rate: 8, tenure: 12 };

const check = (customer_id: number, fields = {}) =>
  client.POST("/check-eligibility", { body: { customer_id, ...application, ...fields } });
const lend = (customer_id: number, key: string, fields = {}) =>
  client.POST("/create-loan", {
    params: { header: { "Idempotency-Key": key } },
    body: { customer_id, ...application, ...fields },
  });

const offer = (await check(1001)).data;
assert(offer?.approval);
assert.equal(offer.score_components.length, 4);
assert(offer.highest_loan_amount > 100000);
assert(offer.shortest_tenure !== null && offer.shortest_tenure < 12);

const loan = (await lend(1001, "typescript")).data;
assert(loan?.loan_id && loan.start_date && loan.end_date);
const replay = await lend(1001, "typescript");
assert.deepEqual(replay.data, loan);
assert.equal(replay.response.headers.get("Idempotency-Replayed"), "true");

const declined = (await lend(1005, "typescript declined")).data;
assert(declined && !declined.loan_approved && declined.loan_id === null && declined.start_date === null);
assert.deepEqual(declined.reason_codes, ["NO_CREDIT_HISTORY"]);
const limited = (await lend(1002, "typescript limited", { highest_interest_rate: 9.99 })).data;
assert.deepEqual(limited?.reason_codes, ["RATE_OVER_HIGHEST"]);

assert.equal((await check(3000000000)).data?.customer_id, 3000000000);

const unknown = (await check(42)).error;
assert(unknown && "type" in unknown && unknown.type === "/problems/customer-not-found");
const invalid = (await lend(1001, "typescript invalid", { tenure: 481 })).error;
assert(invalid && "errors" in invalid && invalid.errors?.[0]?.pointer === "/tenure");
const reused = (await lend(1001, "typescript", { tenure: 24 })).error;
assert(reused && "type" in reused && reused.type === "/problems/idempotency-mismatch");

const lost = await createClient<paths>({ baseUrl: outOfOrder }).POST("/create-loan", {
  body: { customer_id: 1001, ...application },
});
assert.equal(lost.response.status, 503);
assert(lost.error && "message" in lost.error);
