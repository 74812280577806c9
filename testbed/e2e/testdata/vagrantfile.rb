# Loads a Vagrantfile with a Vagrant that only writes down what it is told, and prints
# that as JSON: what each provider gets, and the scripts.
#
#   ruby vagrantfile.rb FILE PROCESSOR
require "json"
require "rbconfig"

# Told answers to every name, and keeps what was set.
class Told
  attr_reader :kept

  def initialize
    @kept = {}
  end

  def method_missing(name, *args)
    name = name.to_s
    return @kept[name.chomp("=")] = args.first if name.end_with?("=")
    return (@kept[name] ||= []) << args.flatten if args.any?

    @kept[name] ||= {}
  end

  def respond_to_missing?(*)
    true
  end
end

# Machine is config.vm.
class Machine < Told
  attr_reader :providers, :scripts

  def initialize
    super
    @providers = {}
    @scripts = []
  end

  def provider(name)
    settings = Told.new
    override = Struct.new(:vm).new(Told.new)
    yield settings, override
    @providers[name] = settings.kept.merge("override" => override.vm.kept)
  end

  def provision(kind, options = {})
    @scripts << options[:inline] if kind == "shell"
  end
end

module Vagrant
  def self.configure(version)
    config = Struct.new(:vm).new(Machine.new)
    yield config
    told = config.vm
    puts JSON.generate("version" => version, "vm" => told.kept,
                       "providers" => told.providers, "scripts" => told.scripts)
  end
end

RbConfig::CONFIG["host_cpu"] = ARGV[1]
load ARGV[0]
