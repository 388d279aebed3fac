from infra_errors import InfraError
from infra_http import HttpInputError


def test_bad_input_is_an_error_of_the_house_with_a_stable_code():
    error = HttpInputError("what is wrong")
    assert isinstance(error, InfraError)
    assert "http.invalid" == error.code
