"""A CPS3 card in software: card OS, personalisation, test PKI, and its links to a reader."""
