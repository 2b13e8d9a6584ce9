/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/generate/words.h"

#include <stdlib.h>
#include <string.h>

#include "benchmarks/generate/fail.h"

/* The first ones are drawn most often. */
/* clang-format off */
static const char *const words[] = {
	"the", "my", "best", "shop", "online", "e", "web", "new", "home", "pro", "world", "tech",
	"media", "group", "design", "digital", "city", "house", "blog", "store", "art", "green",
	"blue", "life", "health", "net", "first", "global", "auto", "car", "travel", "photo",
	"solar", "data", "cloud", "smart", "food", "sport", "music", "game", "games", "games24",
	"bet", "casino", "loan", "credit", "bank", "law", "legal", "estate", "real", "property",
	"rent", "rental", "hotel", "tour", "tours", "trip", "air", "sea", "sun", "moon", "star",
	"sky", "river", "lake", "mountain", "forest", "garden", "flower", "rose", "tree", "wood",
	"stone", "gold", "silver", "iron", "steel", "metal", "glass", "paper", "print", "press",
	"book", "books", "news", "daily", "today", "now", "go", "get", "buy", "sell", "trade",
	"market", "price", "deal", "deals", "sale", "gift", "cards", "club", "team", "crew",
	"studio", "lab", "labs", "works", "factory", "build", "builder", "construct", "concrete",
	"roof", "roofing", "plumbing", "electric", "energy", "power", "oil", "gas", "water",
	"clean", "cleaning", "care", "clinic", "dental", "doctor", "medical", "pharma", "fit",
	"fitness", "yoga", "beauty", "hair", "skin", "fashion", "style", "wear", "shoes", "bags",
	"watch", "jewel", "wedding", "party", "event", "events", "dance", "film", "video", "tv",
	"radio", "sound", "audio", "phone", "mobile", "app", "apps", "soft", "software", "code",
	"dev", "systems", "network", "secure", "security", "safe", "guard", "lock", "key", "keys",
	"door", "window", "kitchen", "bath", "bed", "sofa", "furniture", "decor", "interior",
	"kids", "baby", "toys", "school", "learn", "academy", "college", "study", "tutor", "job",
	"jobs", "career", "work", "office", "business", "consulting", "partners", "capital",
	"invest", "finance", "fund", "tax", "account", "insurance", "quote", "compare", "review",
	"guide", "info", "wiki", "help", "support", "service", "services", "solution", "solutions",
	"express", "logistics", "cargo", "freight", "truck", "moto", "bike", "parts", "repair",
	"garage", "drive", "rides", "taxi", "limo", "boat", "yacht", "fish", "fishing", "hunt",
	"dog", "dogs", "cat", "pet", "pets", "horse", "farm", "organic", "nature", "eco", "bio",
	"coffee", "tea", "wine", "beer", "bar", "grill", "pizza", "burger", "sushi", "bakery",
	"chef", "cook", "recipe", "taste", "fresh", "sweet", "happy", "lucky", "magic", "dream",
	"love", "heart", "soul", "spirit", "church", "faith", "hope", "peace", "unity", "union",
	"alpha", "beta", "delta", "omega", "prime", "max", "ultra", "mega", "super", "hyper",
	"nano", "micro", "mini", "big", "little", "fast", "quick", "easy", "simple", "direct",
	"north", "south", "east", "west", "central", "euro", "asia", "america", "africa", "london",
	"paris", "berlin", "tokyo", "york", "texas", "florida", "valley", "coast", "bay", "port",
	"point", "place", "land", "park", "field", "hill", "bridge", "street", "village", "town",
	"international", "management", "development", "entertainment", "photography", "technology",
	"marketing", "professional", "community", "foundation", "restaurant", "apartments",
};
/* clang-format on */
#define WORDS_CNT (sizeof(words) / sizeof(words[0]))

static size_t put_word(struct gen_rng *rng, char *to)
{
	const char *word = words[gen_rng_skewed(rng, WORDS_CNT)];
	size_t len = strlen(word);

	memcpy(to, word, len);
	return len;
}

/* A made-up word; an open syllable is two or three characters. */
static size_t put_syllables(struct gen_rng *rng, char *to, uint32_t syllables_cnt)
{
	static const char consonants[] = "bcdfghjklmnprstvwxz";
	static const char vowels[] = "aaeeiioouy";
	static const char closings[] = "nrstlmx";
	size_t len = 0;

	for (uint32_t i = 0; i < syllables_cnt; i++) {
		uint64_t r = gen_rng_next(rng);

		to[len++] = consonants[(r & 0xffff) % (sizeof(consonants) - 1)];
		to[len++] = vowels[((r >> 16) & 0xffff) % (sizeof(vowels) - 1)];
		if (((r >> 32) & 3) == 0)
			to[len++] = closings[((r >> 40) & 0xffff) % (sizeof(closings) - 1)];
	}
	return len;
}

static size_t put_digits(struct gen_rng *rng, char *to, uint32_t digits_cnt)
{
	for (uint32_t i = 0; i < digits_cnt; i++)
		to[i] = (char)('0' + gen_rng_below(rng, 10));
	return digits_cnt;
}

size_t gen_words_label(struct gen_rng *rng, char label[GEN_LABEL_MAX])
{
	/* Two 13-letter words and four syllables of three letters are the most that is drawn. */
	char draft[64];
	uint32_t form = gen_rng_below(rng, 100);
	size_t len;

	if (form < 24) {
		len = put_syllables(rng, draft, 2 + gen_rng_below(rng, 7));
	} else if (form < 54) {
		len = put_word(rng, draft);
		len += put_syllables(rng, draft + len, 2 + gen_rng_below(rng, 4));
	} else if (form < 70) {
		len = put_word(rng, draft);
		len += put_word(rng, draft + len);
	} else if (form < 84) {
		len = put_word(rng, draft);
		len += put_word(rng, draft + len);
		len += put_syllables(rng, draft + len, 1 + gen_rng_below(rng, 4));
	} else if (form < 95) {
		len = put_syllables(rng, draft, 2 + gen_rng_below(rng, 2));
		draft[len++] = '-';
		len += put_word(rng, draft + len);
	} else {
		len = put_word(rng, draft);
		len += put_syllables(rng, draft + len, 1);
		len += put_digits(rng, draft + len, 1 + gen_rng_below(rng, 4));
	}
	if (len > GEN_LABEL_MAX)
		len = GEN_LABEL_MAX;
	/* A cut must not leave a hyphen at the end. */
	if (len > 0 && draft[len - 1] == '-')
		len--;
	memcpy(label, draft, len);
	return len;
}

void gen_set_init(struct gen_set *set, uint64_t names_max)
{
	uint64_t slots_cnt = 64;

	while (slots_cnt < names_max + names_max / 2)
		slots_cnt *= 2;
	set->slots = calloc(slots_cnt, sizeof(set->slots[0]));
	if (set->slots == NULL)
		gen_fail("no memory for %llu names", (unsigned long long)names_max);
	set->mask = slots_cnt - 1;
	set->used = 0;
}

void gen_set_free(struct gen_set *set)
{
	free(set->slots);
	set->slots = NULL;
}

static uint64_t hash(const char *name, size_t len)
{
	uint64_t h = len * 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < len; i += 8) {
		uint64_t chunk = 0;

		for (size_t k = i; k < len && k < i + 8; k++)
			chunk |= (uint64_t)(uint8_t)name[k] << (8 * (k - i));
		h = (h ^ chunk) * 0xff51afd7ed558ccd;
		h ^= h >> 32;
	}
	return h == 0 ? 1 : h;
}

bool gen_set_add(struct gen_set *set, const char *name, size_t len)
{
	uint64_t h = hash(name, len);
	uint64_t at = h & set->mask;

	while (set->slots[at] != 0) {
		if (set->slots[at] == h)
			return false;
		at = (at + 1) & set->mask;
	}
	if (set->used >= set->mask)
		gen_fail("more names than the set was made for");
	set->slots[at] = h;
	set->used++;
	return true;
}
