"""What the DMP and INSi ask of a card: the signature of a submission set, and SAML assertions of who is asking.

`words` the API's own; `terms` what is wanted; `bearer` what the card says of its holder. The rest runs in the
worker: `names` how subjects are written, `dsig` XML-DSig as these profiles have it, `submission` the signature of a
submission set; `assertions` SAML, `attributes` and `vihf` the VIHF, `insi` the assertion of INSi, `soap` the header
around both, `messages` the caller's own message that takes it.
"""
