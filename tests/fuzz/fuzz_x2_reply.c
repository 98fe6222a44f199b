// Any octets as what an MF sends back.
#include "fuzz.h"
#include "x2_pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes stream = bytes_of(data, size);
	while (stream.len > 0) {
		struct x2_reply reply = {.type = X2_PDU_X2};
		size_t consumed = 0;
		if (x2_reply_parse(stream, &reply, &consumed) != PARSE_OK)
			break;
		FUZZ_CHECK(reply.type == X2_PDU_KEEPALIVE || reply.type == X2_PDU_KEEPALIVE_ACK);
		FUZZ_CHECK(consumed >= X2_HEADER_LEN && consumed <= X2_REPLY_MAX);
		FUZZ_CHECK(consumed <= stream.len);
		stream = bytes_slice(stream, consumed, SIZE_MAX);
	}
	return 0;
}
