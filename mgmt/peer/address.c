/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/peer/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

socklen_t stele_address_to_sockaddr(const struct stele_config_address *address, uint16_t port,
				    union stele_sockaddr *ret_sockaddr)
{
	memset(ret_sockaddr, 0, sizeof(*ret_sockaddr));
	if (address->family == 4) {
		ret_sockaddr->v4.sin_family = AF_INET;
		ret_sockaddr->v4.sin_port = htons(port);
		memcpy(&ret_sockaddr->v4.sin_addr, address->addr, 4);
		return sizeof(ret_sockaddr->v4);
	}
	ret_sockaddr->v6.sin6_family = AF_INET6;
	ret_sockaddr->v6.sin6_port = htons(port);
	memcpy(&ret_sockaddr->v6.sin6_addr, address->addr, 16);
	return sizeof(ret_sockaddr->v6);
}

bool stele_address_from_sockaddr(const union stele_sockaddr *sockaddr,
				 struct stele_config_address *ret_address, uint16_t *ret_port)
{
	struct stele_config_address address = {.family = 0};
	if (sockaddr->any.sa_family == AF_INET) {
		address.family = 4;
		memcpy(address.addr, &sockaddr->v4.sin_addr, 4);
		*ret_port = ntohs(sockaddr->v4.sin_port);
	} else if (sockaddr->any.sa_family == AF_INET6) {
		const uint8_t *bytes = sockaddr->v6.sin6_addr.s6_addr;
		bool is_v4 = IN6_IS_ADDR_V4MAPPED(&sockaddr->v6.sin6_addr);
		address.family = is_v4 ? 4 : 6;
		memcpy(address.addr, bytes + (is_v4 ? 12 : 0), is_v4 ? 4 : 16);
		*ret_port = ntohs(sockaddr->v6.sin6_port);
	} else {
		return false;
	}
	*ret_address = address;
	return true;
}

bool stele_address_equal(const struct stele_config_address *a, const struct stele_config_address *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16) == 0;
}

const char *stele_address_to_text(const struct stele_config_address *address, uint16_t port,
				  char text[STELE_ADDRESS_TEXT_MAX])
{
	if (address->family == 0 ||
	    inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->addr, text,
		      STELE_ADDRESS_TEXT_MAX) == NULL) {
		snprintf(text, STELE_ADDRESS_TEXT_MAX, "-");
		return text;
	}
	size_t len = strlen(text);
	if (port != 0)
		snprintf(text + len, STELE_ADDRESS_TEXT_MAX - len, "#%u", port);
	return text;
}
