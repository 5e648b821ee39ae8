using System.Diagnostics.CodeAnalysis;
using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]
[assembly: SuppressMessage("Naming", "CA1716", Scope = "namespace", Target = "~N:Aeronet.Transport.Tests.Loop", Justification = "Tests mirror the folders of the source; nobody uses them from Visual Basic.")]
