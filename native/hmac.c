/*
 * HMAC (RFC 2104) over the OpenSSL that Node itself was built with, with no object made for each: a handshake makes
 * some fifty.
 *
 *   hmac.sha256(key, data, output)               output.length === 32; 48 of sha384, 64 of sha512
 *
 * All of them are Uint8Arrays. Anything else is a TypeError or a RangeError, before a byte is written.
 */
#include "helper.h"

typedef struct evp_mac_st EVP_MAC;
typedef struct evp_mac_ctx_st EVP_MAC_CTX;
typedef struct {
  const char *key;
  unsigned int data_type;
  void *data;
  size_t data_size;
  size_t return_size;
} OSSL_PARAM;
extern EVP_MAC *EVP_MAC_fetch(void *libctx, const char *algorithm, const char *properties);
extern void EVP_MAC_free(EVP_MAC *mac);
extern EVP_MAC_CTX *EVP_MAC_CTX_new(EVP_MAC *mac);
extern void EVP_MAC_CTX_free(EVP_MAC_CTX *ctx);
extern int EVP_MAC_CTX_set_params(EVP_MAC_CTX *ctx, const OSSL_PARAM params[]);
extern int EVP_MAC_init(EVP_MAC_CTX *ctx, const unsigned char *key, size_t keylen, const OSSL_PARAM params[]);
extern int EVP_MAC_update(EVP_MAC_CTX *ctx, const unsigned char *data, size_t datalen);
extern int EVP_MAC_final(EVP_MAC_CTX *ctx, unsigned char *out, size_t *outl, size_t outsize);
#define OSSL_PARAM_UTF8_STRING 4

static const struct {
  const char *name; /* as crypto calls it */
  char digest[8];   /* as OpenSSL does */
  size_t length;
} HASHES[] = {{"sha256", "SHA256", 32}, {"sha384", "SHA384", 48}, {"sha512", "SHA512", 64}};
enum { HASH_COUNT = sizeof HASHES / sizeof *HASHES };

/* Of one thread: a context for each hash, made when it is first used. It keeps the state of its last key until the
   next one, as JavaScript keeps the key. */
typedef struct {
  EVP_MAC_CTX *contexts[HASH_COUNT];
} Contexts;

static void free_contexts(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  Contexts *all = data;
  for (int i = 0; i < HASH_COUNT; i++) EVP_MAC_CTX_free(all->contexts[i]); /* NULL is fine */
  free(all);
}

static EVP_MAC_CTX *context_of(Contexts *all, size_t hash) {
  if (all->contexts[hash]) return all->contexts[hash];
  EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
  EVP_MAC_free(mac); /* the context has its own reference */
  char digest[sizeof HASHES->digest];
  memcpy(digest, HASHES[hash].digest, sizeof digest);
  const OSSL_PARAM params[] = {
      {"digest", OSSL_PARAM_UTF8_STRING, digest, strlen(digest), (size_t)-1},
      {NULL, 0, NULL, 0, 0},
  };
  if (context && EVP_MAC_CTX_set_params(context, params) == 1) return all->contexts[hash] = context;
  EVP_MAC_CTX_free(context);
  return NULL;
}

static napi_value hmac(napi_env env, napi_callback_info info) {
  size_t argc = 3, written = 0;
  napi_value argv[3];
  void *which = NULL, *instance = NULL;
  Bytes bytes[3];
  if (napi_get_cb_info(env, info, &argc, argv, NULL, &which) != napi_ok) return NULL;
  if (argc < 3) return type_error(env, "key, data and output are wanted");
  for (int i = 0; i < 3; i++)
    if (!bytes_of(env, argv[i], &bytes[i])) return type_error(env, "every argument must be a Uint8Array");
  const Bytes key = bytes[0], data = bytes[1], output = bytes[2];
  const size_t hash = (size_t)(uintptr_t)which;
  if (output.length != HASHES[hash].length) return range_error(env, "the output has a wrong length");
  if (napi_get_instance_data(env, &instance) != napi_ok || !instance) return failure(env, "HMAC is not ready");
  EVP_MAC_CTX *context = context_of(instance, hash);
  /* An address of NULL would mean the key of before. */
  static const unsigned char none[1] = {0};
  const bool is_made = context && EVP_MAC_init(context, key.length > 0 ? key.data : none, key.length, NULL) == 1 &&
                       (data.length == 0 || EVP_MAC_update(context, data.data, data.length) == 1) &&
                       EVP_MAC_final(context, output.data, &written, output.length) == 1 && written == output.length;
  if (is_made) return NULL;
  OPENSSL_cleanse(output.data, output.length);
  return failure(env, "OpenSSL could not make an HMAC");
}

bool define_hmac(napi_env env, napi_value exports) {
  Contexts *all = calloc(1, sizeof *all);
  napi_value functions, function;
  if (!all) return false;
  if (napi_set_instance_data(env, all, free_contexts, NULL) != napi_ok) return free(all), false;
  if (napi_create_object(env, &functions) != napi_ok) return false;
  for (size_t i = 0; i < HASH_COUNT; i++)
    if (napi_create_function(env, HASHES[i].name, NAPI_AUTO_LENGTH, hmac, (void *)(uintptr_t)i, &function) != napi_ok ||
        napi_set_named_property(env, functions, HASHES[i].name, function) != napi_ok)
      return false;
  return napi_set_named_property(env, exports, "hmac", functions) == napi_ok;
}
