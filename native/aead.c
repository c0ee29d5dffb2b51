/*
 * The AEADs of TLS 1.3 (RFC 8446 §B.4) over the OpenSSL that Node itself was built with: one key, many nonces, no
 * memory made for what comes out. It is optional, does nothing that node:crypto cannot do, and knows nothing of TLS.
 *
 *   key = new AeadKey(algorithm, key)            algorithm: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'
 *   key.seal(nonce, aad, plaintext, output)      output.length === plaintext.length + 16
 *   key.open(nonce, aad, sealed, output)         output.length === sealed.length - 16; false for any failure, all
 *                                                alike, and then `output` is all zeros
 *
 * All of them are Uint8Arrays; a nonce has 12 bytes. What comes out may stand exactly where what goes in stands, or
 * apart from it. Anything else is a TypeError or a RangeError, before a byte is written.
 *
 * The functions of OpenSSL are declared here, since Node's headers need not be installed with it; they have been the
 * same from OpenSSL 1.1.1 on. They and Node-API's are found in the running program.
 */
#include "helper.h"
#include <limits.h>

typedef struct evp_cipher_st EVP_CIPHER;
typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;
typedef struct engine_st ENGINE;
extern const EVP_CIPHER *EVP_aes_128_gcm(void);
extern const EVP_CIPHER *EVP_aes_256_gcm(void);
extern const EVP_CIPHER *EVP_chacha20_poly1305(void);
extern EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
extern void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *ctx);
extern int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *ctx, int type, int arg, void *ptr);
extern int EVP_CipherInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, ENGINE *impl, const unsigned char *key,
                             const unsigned char *iv, int enc);
extern int EVP_CipherUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl, const unsigned char *in, int inl);
extern int EVP_CipherFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *outm, int *outl);
#define EVP_CTRL_AEAD_GET_TAG 0x10
#define EVP_CTRL_AEAD_SET_TAG 0x11

enum { NONCE_LENGTH = 12, TAG_LENGTH = 16, MAX_KEY_LENGTH = 32, MAX_INPUT = 1 << 30 };

static const struct {
  const char *name;
  size_t key_length;
  const EVP_CIPHER *(*cipher)(void);
} ALGORITHMS[] = {
    {"aes-128-gcm", 16, EVP_aes_128_gcm},
    {"aes-256-gcm", 32, EVP_aes_256_gcm},
    {"chacha20-poly1305", 32, EVP_chacha20_poly1305},
};

/* What a JavaScript AeadKey wraps. A context is made when it is first used: most keys have one direction. */
typedef struct {
  const EVP_CIPHER *cipher;
  size_t key_length;
  unsigned char bytes[MAX_KEY_LENGTH];
  EVP_CIPHER_CTX *contexts[2]; /* to open, to seal */
} Key;

/* Tells our objects from those of other addons. */
static const napi_type_tag KEY_TAG = {0x6174746573746564ULL, 0x2d746c732d616561ULL};

static void free_key(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  Key *key = data;
  EVP_CIPHER_CTX_free(key->contexts[0]); /* which wipes the key schedule; NULL is fine */
  EVP_CIPHER_CTX_free(key->contexts[1]);
  OPENSSL_cleanse(key, sizeof *key);
  free(key);
}

static napi_value construct(napi_env env, napi_callback_info info) {
  size_t argc = 2, name_length = 0;
  napi_value argv[2], self, target = NULL;
  char name[32];
  Bytes bytes;
  if (napi_get_cb_info(env, info, &argc, argv, &self, NULL) != napi_ok) return NULL;
  if (napi_get_new_target(env, info, &target) != napi_ok || !target) return type_error(env, "AeadKey wants `new`");
  /* What is missing is undefined, which is neither. */
  if (napi_get_value_string_utf8(env, argv[0], name, sizeof name, &name_length) != napi_ok)
    return type_error(env, "the algorithm must be a string");
  if (!bytes_of(env, argv[1], &bytes)) return type_error(env, "the key must be a Uint8Array");
  for (size_t i = 0; i < sizeof ALGORITHMS / sizeof *ALGORITHMS; i++) {
    /* With its end, since the text may have a zero in it. */
    if (name_length != strlen(ALGORITHMS[i].name) || strcmp(name, ALGORITHMS[i].name) != 0) continue;
    if (bytes.length != ALGORITHMS[i].key_length) return range_error(env, "the key has a wrong length");
    Key *key = calloc(1, sizeof *key);
    if (!key) return failure(env, "out of memory");
    key->cipher = ALGORITHMS[i].cipher();
    key->key_length = bytes.length;
    memcpy(key->bytes, bytes.data, bytes.length);
    if (!key->cipher || napi_type_tag_object(env, self, &KEY_TAG) != napi_ok ||
        napi_wrap(env, self, key, free_key, NULL, NULL) != napi_ok) {
      free_key(env, key, NULL);
      return failure(env, "the key cannot be made");
    }
    return self;
  }
  return range_error(env, "the algorithm is not known");
}

/* The context of a direction, ready for a new nonce; NULL if OpenSSL fails. */
static EVP_CIPHER_CTX *context_of(Key *key, bool is_sealing, const unsigned char *nonce) {
  EVP_CIPHER_CTX **context = &key->contexts[is_sealing];
  if (*context) return EVP_CipherInit_ex(*context, NULL, NULL, NULL, nonce, is_sealing) == 1 ? *context : NULL;
  *context = EVP_CIPHER_CTX_new();
  if (*context && EVP_CipherInit_ex(*context, key->cipher, NULL, key->bytes, nonce, is_sealing) == 1) return *context;
  EVP_CIPHER_CTX_free(*context);
  return *context = NULL;
}

/* What seal and open have in common. Reads the arguments, and refuses what is not as it must be. */
static bool read_call(napi_env env, napi_callback_info info, bool is_sealing, Key **key, Bytes arguments[4]) {
  size_t argc = 4;
  napi_value argv[4], self;
  void *wrapped = NULL;
  bool is_ours = false;
  if (napi_get_cb_info(env, info, &argc, argv, &self, NULL) != napi_ok) return false;
  if (napi_check_object_type_tag(env, self, &KEY_TAG, &is_ours) != napi_ok || !is_ours ||
      napi_unwrap(env, self, &wrapped) != napi_ok)
    return type_error(env, "this is no AeadKey"), false;
  *key = wrapped;
  for (int i = 0; i < 4; i++)
    if (!bytes_of(env, argv[i], &arguments[i])) return type_error(env, "every argument must be a Uint8Array"), false;
  const Bytes nonce = arguments[0], aad = arguments[1], input = arguments[2], output = arguments[3];
  if (nonce.length != NONCE_LENGTH) return range_error(env, "a nonce has 12 bytes"), false;
  if (aad.length > MAX_INPUT || input.length > MAX_INPUT) return range_error(env, "that is too long"), false;
  if (is_sealing ? output.length != input.length + TAG_LENGTH
                 : input.length < TAG_LENGTH || output.length != input.length - TAG_LENGTH)
    return range_error(env, "the output has a wrong length"), false;
  const uintptr_t in = (uintptr_t)input.data, out = (uintptr_t)output.data;
  if (in != out && in < out + output.length && out < in + input.length)
    return range_error(env, "input and output overlap"), false;
  return true;
}

static napi_value seal(napi_env env, napi_callback_info info) {
  Key *key;
  Bytes bytes[4];
  if (!read_call(env, info, true, &key, bytes)) return NULL;
  const Bytes aad = bytes[1], plaintext = bytes[2], output = bytes[3];
  unsigned char *tag = output.data + plaintext.length;
  int length;
  EVP_CIPHER_CTX *context = context_of(key, true, bytes[0].data);
  const bool is_sealed =
      context && (aad.length == 0 || EVP_CipherUpdate(context, NULL, &length, aad.data, (int)aad.length) == 1) &&
      (plaintext.length == 0 ||
       EVP_CipherUpdate(context, output.data, &length, plaintext.data, (int)plaintext.length) == 1) &&
      EVP_CipherFinal_ex(context, tag, &length) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_LENGTH, tag) == 1;
  if (is_sealed) return NULL;
  OPENSSL_cleanse(output.data, output.length);
  return failure(env, "OpenSSL could not seal");
}

static napi_value open_sealed(napi_env env, napi_callback_info info) {
  Key *key;
  Bytes bytes[4];
  if (!read_call(env, info, false, &key, bytes)) return NULL;
  const Bytes aad = bytes[1], sealed = bytes[2], output = bytes[3];
  unsigned char tag[TAG_LENGTH], rest[TAG_LENGTH];
  int length;
  napi_value result = NULL;
  memcpy(tag, sealed.data + output.length, TAG_LENGTH);
  EVP_CIPHER_CTX *context = context_of(key, false, bytes[0].data);
  const bool is_open =
      context && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_LENGTH, tag) == 1 &&
      (aad.length == 0 || EVP_CipherUpdate(context, NULL, &length, aad.data, (int)aad.length) == 1) &&
      (output.length == 0 ||
       EVP_CipherUpdate(context, output.data, &length, sealed.data, (int)output.length) == 1) &&
      EVP_CipherFinal_ex(context, rest, &length) == 1;
  /* Nobody sees plaintext that was not authenticated. */
  if (!is_open && output.length > 0) OPENSSL_cleanse(output.data, output.length);
  napi_get_boolean(env, is_open, &result);
  return result;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor methods[] = {
      {"seal", NULL, seal, NULL, NULL, NULL, napi_default_method, NULL},
      {"open", NULL, open_sealed, NULL, NULL, NULL, napi_default_method, NULL},
  };
  napi_value class;
  if (napi_define_class(env, "AeadKey", NAPI_AUTO_LENGTH, construct, NULL, 2, methods, &class) != napi_ok ||
      napi_set_named_property(env, exports, "AeadKey", class) != napi_ok || !define_hmac(env, exports))
    return NULL;
  return exports;
}
