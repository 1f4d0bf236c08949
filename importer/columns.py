"""The columns of both kinds of table: what they hold, what people call them, and which of them decide.

A column decides when a rule of the domain reads it, or when it says whose row it is. A row with a fault in such a
column is rejected; from any other column what can be read is kept, and the rest is counted.
"""

from decimal import Decimal
from enum import Enum
from typing import NamedTuple

MAX_CUSTOMER_ID = 2**32 - 1
MAX_LOAN_ID = 2**53 - 1
MAX_MONEY = Decimal("9999999999.99")
MAX_TENURE = 65535
MAX_RATE_PCT = Decimal(100)
MAX_AGE = 255


REJECTS_COLUMNS = ("rejected_line", "rejected_because")
"""Behind the others in a file of rejected rows; an import of it ignores them."""


class Holds(Enum):
    """What the cells of a column hold."""

    WHOLE_NUMBER = "a whole number"
    AMOUNT = "a number"
    DATE = "a date"
    STATUS = "a status"
    LOAN_NAME = "a loan's name"
    PERSON_NAME = "a person's name"
    PHONE_NUMBER = "a phone number"


class Column(NamedTuple):
    """One column."""

    name: str
    holds: Holds
    lowest: Decimal = Decimal(0)
    highest: Decimal = MAX_MONEY
    decides: bool = True
    may_be_empty: bool = False
    """A column that may be empty may be absent as well."""
    also_called: tuple[str, ...] = ()
    """Titles, in small letters and without blanks and signs."""


class Kind(NamedTuple):
    """One of the two kinds of table."""

    name: str
    columns: tuple[Column, ...]
    amount: str
    """The column whose sum a controller compares."""

    @property
    def needed(self) -> list[str]:
        """The columns without which a table is not of this kind."""
        return [column.name for column in self.columns if column.decides and not column.may_be_empty]


def _whole(
    name: str, lowest: int, highest: int, *also: str, decides: bool = True, may_be_empty: bool = False
) -> Column:
    return Column(name, Holds.WHOLE_NUMBER, Decimal(lowest), Decimal(highest), decides, may_be_empty, also)


def _amount(
    name: str, lowest: str, *also: str, highest: Decimal = MAX_MONEY, decides: bool = True, may_be_empty: bool = False
) -> Column:
    return Column(name, Holds.AMOUNT, Decimal(lowest), highest, decides, may_be_empty, also)


CUSTOMER_ID = _whole(
    *("customer_id", 1, MAX_CUSTOMER_ID),
    *("customer", "customerno", "customernumber", "customercode", "custid", "clientid", "client", "clientno"),
    *("clientnumber", "borrowerid", "borrower", "memberid"),
)

CUSTOMERS = Kind(
    "customers",
    (
        CUSTOMER_ID._replace(also_called=(*CUSTOMER_ID.also_called, "id")),
        Column(
            *("first_name", Holds.PERSON_NAME),
            decides=False,
            may_be_empty=True,
            also_called=("givenname", "givennames", "forename", "fname"),
        ),
        Column(
            *("last_name", Holds.PERSON_NAME),
            decides=False,
            may_be_empty=True,
            also_called=("surname", "familyname", "lname"),
        ),
        _whole("age", 0, MAX_AGE, "ageyears", "customerage", decides=False, may_be_empty=True),
        Column(
            *("phone_number", Holds.PHONE_NUMBER),
            decides=False,
            may_be_empty=True,
            also_called=(
                "phone",
                "phoneno",
                "mobile",
                "mobileno",
                "mobilenumber",
                "mobilephone",
                "cell",
                "cellphone",
                "telephone",
                "telephonenumber",
                "tel",
                "contactnumber",
                "contactno",
            ),
        ),
        _amount(
            "monthly_salary",
            "0",
            "salary",
            "monthlyincome",
            "income",
            "salarypermonth",
            "monthlypay",
            "netmonthlysalary",
            "netsalary",
        ),
        _amount("approved_limit", "0", "limit", "creditlimit", "approvedcreditlimit", "loanlimit", "sanctionedlimit"),
        _amount("current_debt", "0", "debt", "outstandingdebt", "totaldebt", decides=False, may_be_empty=True),
    ),
    amount="approved_limit",
)

LOANS = Kind(
    "loans",
    (
        CUSTOMER_ID,
        Column(
            *("external_loan_id", Holds.LOAN_NAME),
            may_be_empty=True,
            also_called=(
                "loanid",
                "loan",
                "loanno",
                "loannumber",
                "loancode",
                "loanref",
                "loanreference",
                "loanaccount",
                "loanaccountnumber",
                "contractid",
                "contractno",
                "contractnumber",
                "accountnumber",
                "id",
            ),
        ),
        _whole("lending_loan_id", 1, MAX_LOAN_ID, may_be_empty=True),
        _amount(
            "loan_amount",
            "0.01",
            "amount",
            "principal",
            "amountlent",
            "disbursedamount",
            "sanctionedamount",
            "loansum",
            "principalamount",
        ),
        _whole(
            "tenure",
            1,
            MAX_TENURE,
            "tenuremonths",
            "tenureinmonths",
            "term",
            "termmonths",
            "terminmonths",
            "months",
            "loantenure",
            "loanterm",
            "numberofinstallments",
            "numberofemis",
        ),
        _amount(
            "interest_rate",
            "0",
            "rate",
            "annualrate",
            "annualinterestrate",
            "interest",
            "roi",
            "rateofinterest",
            "interestratepct",
            "interestratepercent",
            highest=MAX_RATE_PCT,
            decides=False,
            may_be_empty=True,
        ),
        _amount(
            "monthly_repayment",
            "0",
            "monthlypayment",
            "monthlyinstallment",
            "monthlyinstalment",
            "installment",
            "instalment",
            "emi",
            "emiamount",
            "monthlyemi",
            "repayment",
            "monthlydue",
        ),
        _whole(
            "emis_paid_on_time",
            0,
            MAX_TENURE,
            "emispaid",
            "emisontime",
            "emipaidontime",
            "paidontime",
            "installmentspaidontime",
            "instalmentspaidontime",
            "paymentsontime",
            "ontimepayments",
        ),
        Column(
            *("start_date", Holds.DATE),
            also_called=(
                "start",
                "dateofapproval",
                "approvaldate",
                "approvedon",
                "dateapproved",
                "disbursementdate",
                "disbursaldate",
                "dateofdisbursement",
                "loandate",
                "loanstartdate",
                "startedon",
                "fromdate",
            ),
        ),
        Column(
            *("end_date", Holds.DATE),
            also_called=(
                "end",
                "maturitydate",
                "maturity",
                "dateofmaturity",
                "closingdate",
                "loanenddate",
                "endson",
                "duedate",
                "finaldate",
                "todate",
            ),
        ),
        Column(
            *("status", Holds.STATUS),
            may_be_empty=True,
            also_called=("loanstatus", "state", "accountstatus"),
        ),
    ),
    amount="loan_amount",
)
