/*
 * X25519 (RFC 7748).
 *
 *   generate()          puts a private key at the start of `scratch`, and its public key behind it: 32 bytes each
 *   agree()             wants there the private key, its public key, and that of the peer, 32 bytes each; puts the shared
 *                       secret in their place. false if the peer's has small order, and then there are zeros
 */
#include "helper.h"

typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_pkey_ctx_st EVP_PKEY_CTX;
extern EVP_PKEY_CTX *EVP_PKEY_CTX_new_from_name(void *libctx, const char *name, const char *propquery);
extern EVP_PKEY_CTX *EVP_PKEY_CTX_new_from_pkey(void *libctx, EVP_PKEY *pkey, const char *propquery);
extern void EVP_PKEY_CTX_free(EVP_PKEY_CTX *ctx);
extern void EVP_PKEY_free(EVP_PKEY *pkey);
extern int EVP_PKEY_keygen_init(EVP_PKEY_CTX *ctx);
extern int EVP_PKEY_generate(EVP_PKEY_CTX *ctx, EVP_PKEY **ppkey);
extern int EVP_PKEY_fromdata_init(EVP_PKEY_CTX *ctx);
extern int EVP_PKEY_fromdata(EVP_PKEY_CTX *ctx, EVP_PKEY **ppkey, int selection, Param param[]);
extern int EVP_PKEY_get_raw_private_key(const EVP_PKEY *pkey, unsigned char *priv, size_t *len);
extern int EVP_PKEY_get_raw_public_key(const EVP_PKEY *pkey, unsigned char *pub, size_t *len);
extern int EVP_PKEY_derive_init(EVP_PKEY_CTX *ctx);
extern int EVP_PKEY_derive_set_peer(EVP_PKEY_CTX *ctx, EVP_PKEY *peer);
extern int EVP_PKEY_derive(EVP_PKEY_CTX *ctx, unsigned char *key, size_t *keylen);
#define EVP_PKEY_PUBLIC_KEY 0x86
#define EVP_PKEY_KEYPAIR 0x87

enum { LENGTH = 32 };

/* What makes keys, and what takes their bytes; made when they are first used. */
struct X25519 {
  EVP_PKEY_CTX *maker, *reader;
};

X25519 *new_x25519(void) { return calloc(1, sizeof(X25519)); }

void free_x25519(X25519 *x25519) {
  if (!x25519) return;
  EVP_PKEY_CTX_free(x25519->maker); /* NULL is fine */
  EVP_PKEY_CTX_free(x25519->reader);
  free(x25519);
}

static EVP_PKEY_CTX *ready(EVP_PKEY_CTX **context, int (*init)(EVP_PKEY_CTX *)) {
  if (*context) return *context;
  *context = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
  if (*context && init(*context) == 1) return *context;
  EVP_PKEY_CTX_free(*context);
  return *context = NULL;
}

napi_value generate(napi_env env, napi_callback_info info) {
  (void)info;
  Helper *helper = helper_of(env);
  if (!helper) return NULL;
  EVP_PKEY_CTX *maker = ready(&helper->x25519->maker, EVP_PKEY_keygen_init);
  EVP_PKEY *key = NULL;
  size_t private_length = LENGTH, public_length = LENGTH;
  const bool is_made = maker && EVP_PKEY_generate(maker, &key) == 1 &&
                       EVP_PKEY_get_raw_private_key(key, helper->scratch, &private_length) == 1 &&
                       EVP_PKEY_get_raw_public_key(key, helper->scratch + LENGTH, &public_length) == 1;
  EVP_PKEY_free(key); /* which wipes it; NULL is fine */
  if (is_made) return NULL;
  OPENSSL_cleanse(helper->scratch, LENGTH);
  return failure(env, "OpenSSL could not make an X25519 key");
}

/* A key of these bytes, a whole one if there are private ones. With its public key OpenSSL need not compute it. */
static EVP_PKEY *key_of(EVP_PKEY_CTX *reader, unsigned char *public_bytes, unsigned char *private_bytes) {
  const Param end = {NULL, 0, NULL, 0, 0};
  Param params[] = {{"pub", PARAM_OCTET_STRING, public_bytes, LENGTH, (size_t)-1}, end, end};
  if (private_bytes) params[1] = (Param){"priv", PARAM_OCTET_STRING, private_bytes, LENGTH, (size_t)-1};
  EVP_PKEY *key = NULL;
  const int selection = private_bytes ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
  return reader && EVP_PKEY_fromdata(reader, &key, selection, params) == 1 ? key : NULL;
}

napi_value agree(napi_env env, napi_callback_info info) {
  (void)info;
  Helper *helper = helper_of(env);
  if (!helper) return NULL;
  EVP_PKEY_CTX *reader = ready(&helper->x25519->reader, EVP_PKEY_fromdata_init);
  unsigned char *scratch = helper->scratch, secret[LENGTH];
  EVP_PKEY *own = key_of(reader, scratch + LENGTH, scratch);
  EVP_PKEY *peer = key_of(reader, scratch + 2 * LENGTH, NULL);
  EVP_PKEY_CTX *context = own && peer ? EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL) : NULL;
  const bool is_ready = context && EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1;
  size_t length = LENGTH;
  /* All that can fail now is the peer's point. */
  const bool is_agreed = is_ready && EVP_PKEY_derive(context, secret, &length) == 1 && length == LENGTH;
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(own);
  EVP_PKEY_free(peer);
  OPENSSL_cleanse(scratch, 3 * LENGTH);
  if (!is_ready) return failure(env, "OpenSSL could not take an X25519 key");
  if (is_agreed) memcpy(scratch, secret, LENGTH);
  else ERR_clear_error();
  OPENSSL_cleanse(secret, LENGTH);
  napi_value result = NULL;
  napi_get_boolean(env, is_agreed, &result);
  return result;
}
