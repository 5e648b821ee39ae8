using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using Aeronet.AB.Scenarios;
using Aeronet.AB.Servers;

namespace Aeronet.AB;

/// <summary>Which load client sends.</summary>
internal enum LoaderKind
{
    BuiltIn,
    Wrk,
}

/// <summary>The command line, checked.</summary>
internal sealed class LaboratoryOptions
{
    public const string Usage = """
        Aeronet.AB: the same application on Kestrel and on Aeronet, in turn, and what each costs.

          --scenario NAME,NAME   only these (a trailing * matches the rest of the name); --list shows them
          --servers NAME,NAME    of kestrel, aeronet, aeronet-threadpool, kestrel-on-aeronet, kestrel-on-aeronet-threadpool; the first is what the others are compared with
          --extra NAME=COMMAND   another server, started by the shell, {port} replaced; may be repeated
          --rounds N             rounds per server and scenario (5)
          --duration SECONDS     of one round (4)
          --warmup SECONDS       before the first round of each server, and up to four times as long again while the runtime still compiles, which is not known of --extra servers (12)
          --connections N,N      for the keep-alive scenarios instead of 1, 64 and 512, the largest for the idle one
          --loader builtin|wrk   wrk must be installed; rounds at a fixed rate always use the built-in client
          --server-cores LIST    as in 0-1,3 (the first usable core)
          --loader-cores LIST    (the last usable core)
          --baseline FILE        an earlier report.json to show the change against
          --output DIR           for report.md, report.json and report.html (./artifacts/ab/DATE)
          --quick                2 rounds of 2 seconds after 4 seconds of warm-up: to try things, not to quote
          --list                 names the scenarios and ends
        """;

    public IReadOnlyList<Scenario> Scenarios { get; private set; } = [];

    public IReadOnlyList<ServerSpec> Servers { get; private set; } = [];

    public int Rounds { get; private set; } = 5;

    public TimeSpan Duration { get; private set; } = TimeSpan.FromSeconds(4);

    public TimeSpan WarmUp { get; private set; } = TimeSpan.FromSeconds(12);

    public LoaderKind Loader { get; private set; }

    public string? ServerCores { get; private set; }

    public string? LoaderCores { get; private set; }

    public string? Baseline { get; private set; }

    public string Output { get; private set; } = Path.Combine("artifacts", "ab", DateTime.Now.ToString("yyyy-MM-dd-HHmm", CultureInfo.InvariantCulture));

    public bool OnlyList { get; private set; }

    /// <exception cref="FormatException">With a message for the user.</exception>
    public static LaboratoryOptions Parse(IReadOnlyList<string> arguments)
    {
        LaboratoryOptions options = new();
        string scenarios = "*";
        List<ServerSpec> servers = [new("kestrel"), new("aeronet"), new("aeronet-threadpool"), new("kestrel-on-aeronet")];
        List<ServerSpec> extras = [];
        int[] connections = [];
        for (int index = 0; index < arguments.Count; index++)
        {
            string name = arguments[index];
            switch (name)
            {
                case "--scenario" or "--scenarios":
                    scenarios = Value();
                    break;
                case "--servers":
                    servers = [.. Value().Split(',').Select(server => new ServerSpec(server))];
                    break;
                case "--extra":
                    string[] extra = Value().Split('=', 2);
                    extras.Add(extra.Length == 2 ? new ServerSpec(extra[0], extra[1]) : throw new FormatException("--extra: write NAME=COMMAND"));
                    break;
                case "--rounds":
                    options.Rounds = Number(1, 1000);
                    break;
                case "--duration":
                    options.Duration = Seconds(0.1);
                    break;
                case "--warmup":
                    options.WarmUp = Seconds(0);
                    break;
                case "--connections":
                    connections = [.. Value().Split(',').Select(count => ToNumber(count, 1, 60_000))];
                    break;
                case "--loader":
                    options.Loader = Value() switch
                    {
                        "builtin" => LoaderKind.BuiltIn,
                        "wrk" => LoaderKind.Wrk,
                        string other => throw new FormatException($"--loader {other}: use builtin or wrk"),
                    };
                    break;
                case "--server-cores":
                    options.ServerCores = Value();
                    break;
                case "--loader-cores":
                    options.LoaderCores = Value();
                    break;
                case "--baseline":
                    options.Baseline = Value();
                    break;
                case "--output":
                    options.Output = Value();
                    break;
                case "--quick":
                    options.Rounds = 2;
                    options.Duration = TimeSpan.FromSeconds(2);
                    options.WarmUp = TimeSpan.FromSeconds(4);
                    break;
                case "--list":
                    options.OnlyList = true;
                    break;
                default:
                    throw new FormatException($"{name}: unknown");
            }

            string Value() => ++index < arguments.Count ? arguments[index] : throw new FormatException($"{name}: a value is missing");
            int Number(int min, int max) => ToNumber(Value(), min, max);
            int ToNumber(string text, int min, int max) => int.TryParse(text, CultureInfo.InvariantCulture, out int number) && number >= min && number <= max
                ? number
                : throw new FormatException($"{name} {text}: a number from {min} to {max} is wanted");
            TimeSpan Seconds(double min) => double.TryParse(Value(), CultureInfo.InvariantCulture, out double seconds) && seconds >= min && seconds <= 3600
                ? TimeSpan.FromSeconds(seconds)
                : throw new FormatException($"{name}: seconds from {min} to 3600 are wanted");
        }

        options.Servers = [.. servers, .. extras];
        options.Scenarios = Choose(ScenarioCatalog.Create(connections), scenarios);
        return options;
    }

    private static List<Scenario> Choose(IReadOnlyList<Scenario> all, string patterns)
    {
        List<Scenario> chosen = [];
        foreach (string pattern in patterns.Split(','))
        {
            Scenario[] matching = [.. all.Where(scenario => pattern.EndsWith('*') ? scenario.Name.StartsWith(pattern[..^1], StringComparison.Ordinal) : scenario.Name == pattern)];
            if (matching.Length == 0)
            {
                throw new FormatException($"--scenario {pattern}: unknown; there are {string.Join(", ", all.Select(scenario => scenario.Name))}");
            }

            chosen.AddRange(matching.Where(scenario => !chosen.Contains(scenario)));
        }

        return chosen;
    }
}
