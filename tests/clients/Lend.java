import java.math.BigDecimal;
import java.util.List;
import lending.ApiClient;
import lending.ApiException;
import lending.ApiResponse;
import lending.api.LoansApi;
import lending.model.Eligibility;
import lending.model.LoanApplication;
import lending.model.LoanRequest;
import lending.model.LoanResult;
import lending.model.ReasonCode;

/** Lends with the client that openapi-generator makes of the contract: ADDRESS of the service, ADDRESS of a gateway that is out of order. */
public final class Lend {
  public static void main(String[] addresses) throws ApiException {
    LoansApi api = at(addresses[0]);

    Eligibility offer = api.checkEligibility(application(1001));
    require(offer.getApproval() && offer.getScoreComponents().size() == 4, offer);
    require(offer.getHighestLoanAmount().compareTo(new BigDecimal("100000.00")) > 0, offer);
    require(offer.getShortestTenure() < 12, offer);

    ApiResponse<LoanResult> lent = api.createLoanWithHttpInfo(request(1001), "java");
    LoanResult loan = lent.getData();
    require(lent.getStatusCode() == 201 && loan.getLoanApproved() && loan.getLoanId() > 0, loan);
    require(loan.getEndDate().equals(loan.getStartDate().plusMonths(12)), loan);
    ApiResponse<LoanResult> again = api.createLoanWithHttpInfo(request(1001), "java");
    require(again.getData().equals(loan), again.getData());
    require(again.getHeaders().get("idempotency-replayed").equals(List.of("true")), again.getHeaders());

    LoanResult declined = api.createLoan(request(1005), "java declined");
    require(!declined.getLoanApproved() && declined.getLoanId() == null && declined.getStartDate() == null, declined);
    require(declined.getReasonCodes().equals(List.of(ReasonCode.NO_CREDIT_HISTORY)), declined);
    LoanResult limited = api.createLoan(request(1002).highestInterestRate(new BigDecimal("9.99")), "java limited");
    require(limited.getReasonCodes().equals(List.of(ReasonCode.RATE_OVER_HIGHEST)), limited);

    require(api.checkEligibility(application(3_000_000_000L)).getCustomerId() == 3_000_000_000L, "3000000000");

    refuse(404, "/problems/customer-not-found", () -> api.checkEligibility(application(42)));
    refuse(422, "/tenure", () -> api.createLoan(request(1001).tenure(481), "java invalid"));
    refuse(422, "/problems/idempotency-mismatch", () -> api.createLoan(request(1001).tenure(24), "java"));
    refuse(503, "Service Unavailable", () -> at(addresses[1]).createLoan(request(1001), null));
  }

  private static LoansApi at(String address) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(address);
    return new LoansApi(client);
  }

  private static LoanApplication application(long customerId) {
    return new LoanApplication()
        .customerId(customerId)
        .loanAmount(new BigDecimal("100000.00"))
        .interestRate(new BigDecimal("8.00"))
        .tenure(12);
  }

  private static LoanRequest request(long customerId) {
    return new LoanRequest()
        .customerId(customerId)
        .loanAmount(new BigDecimal("100000.00"))
        .interestRate(new BigDecimal("8.00"))
        .tenure(12);
  }

  private static void require(boolean claim, Object shown) {
    if (!claim) {
      throw new AssertionError(shown);
    }
  }

  private interface Call {
    Object run() throws ApiException;
  }

  private static void refuse(int status, String word, Call call) {
    try {
      throw new AssertionError(call.run());
    } catch (ApiException refusal) {
      require(refusal.getCode() == status && refusal.getResponseBody().contains(word), refusal.getMessage());
    }
  }
}
