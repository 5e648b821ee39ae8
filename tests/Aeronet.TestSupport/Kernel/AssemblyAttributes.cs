using System.Runtime.CompilerServices;

// The simulated kernel speaks in the transport's internal types.
[assembly: InternalsVisibleTo("Aeronet.Transport.Tests")]
[assembly: InternalsVisibleTo("Aeronet.Server.Tests")]
[assembly: InternalsVisibleTo("Aeronet.EndToEnd.Tests")]
