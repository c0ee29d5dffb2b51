/*
 * HMAC (RFC 2104).
 *
 *   hmac(hash, keyLength, dataLength)       hash: 0 SHA-256, 1 SHA-384, 2 SHA-512
 *
 * The key stands at the start of `scratch`, the data behind it; what comes of them is put in their place, 32, 48 or 64
 * bytes. Anything else is a TypeError or a RangeError, before a byte is written.
 */
#include "helper.h"

typedef struct evp_mac_st EVP_MAC;
typedef struct evp_mac_ctx_st EVP_MAC_CTX;
extern EVP_MAC *EVP_MAC_fetch(void *libctx, const char *algorithm, const char *properties);
extern void EVP_MAC_free(EVP_MAC *mac);
extern EVP_MAC_CTX *EVP_MAC_CTX_new(EVP_MAC *mac);
extern void EVP_MAC_CTX_free(EVP_MAC_CTX *ctx);
extern int EVP_MAC_CTX_set_params(EVP_MAC_CTX *ctx, const Param params[]);
extern int EVP_MAC_init(EVP_MAC_CTX *ctx, const unsigned char *key, size_t keylen, const Param params[]);
extern int EVP_MAC_update(EVP_MAC_CTX *ctx, const unsigned char *data, size_t datalen);
extern int EVP_MAC_final(EVP_MAC_CTX *ctx, unsigned char *out, size_t *outl, size_t outsize);

static const struct {
  char name[8];
  size_t length;
} HASHES[] = {{"SHA256", 32}, {"SHA384", 48}, {"SHA512", 64}};
enum { HASH_COUNT = sizeof HASHES / sizeof *HASHES, MAX_LENGTH = 64 };

/* A context for each hash, made when it is first used. It keeps the state of its last key until the next one. */
struct Hmac {
  EVP_MAC_CTX *contexts[HASH_COUNT];
};

Hmac *new_hmac(void) { return calloc(1, sizeof(Hmac)); }

void free_hmac(Hmac *all) {
  if (!all) return;
  for (int i = 0; i < HASH_COUNT; i++) EVP_MAC_CTX_free(all->contexts[i]); /* NULL is fine */
  free(all);
}

static EVP_MAC_CTX *context_of(Hmac *all, size_t hash) {
  if (all->contexts[hash]) return all->contexts[hash];
  EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
  EVP_MAC_free(mac); /* the context has its own reference */
  char digest[sizeof HASHES->name];
  memcpy(digest, HASHES[hash].name, sizeof digest);
  const Param params[] = {
      {"digest", PARAM_UTF8_STRING, digest, strlen(digest), (size_t)-1},
      {NULL, 0, NULL, 0, 0},
  };
  if (context && EVP_MAC_CTX_set_params(context, params) == 1) return all->contexts[hash] = context;
  EVP_MAC_CTX_free(context);
  return NULL;
}

napi_value hmac(napi_env env, napi_callback_info info) {
  size_t argc = 3, written = 0;
  napi_value argv[3];
  uint64_t hash, key_length, data_length;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok) return NULL;
  if (!number_of(env, argv[0], HASH_COUNT, &hash)) return range_error(env, "the hash is not known");
  if (!number_of(env, argv[1], SCRATCH_LENGTH + 1, &key_length) ||
      !number_of(env, argv[2], SCRATCH_LENGTH + 1 - key_length, &data_length))
    return range_error(env, "key and data do not fit");
  Helper *helper = helper_of(env);
  if (!helper) return NULL;
  EVP_MAC_CTX *context = context_of(helper->hmac, hash);
  unsigned char output[MAX_LENGTH];
  const bool is_made = context && EVP_MAC_init(context, helper->scratch, key_length, NULL) == 1 &&
                       EVP_MAC_update(context, helper->scratch + key_length, data_length) == 1 &&
                       EVP_MAC_final(context, output, &written, sizeof output) == 1 && written == HASHES[hash].length;
  OPENSSL_cleanse(helper->scratch, key_length + data_length);
  if (!is_made) return failure(env, "OpenSSL could not make an HMAC");
  memcpy(helper->scratch, output, written);
  OPENSSL_cleanse(output, written);
  return NULL;
}
